-- Every reading of a water meter as a row of columns that gas meters do not have, and those that somebody must look at.
WITH Water AS (
    SELECT
        originData.app.moteeui AS DeviceID,
        CAST(originData.app.userdata.seqno AS bigint) AS Seq,
        CAST(userData.[time] AS datetime) AS SeenAt,
        CAST(userData.volume AS float) AS Volume,
        CAST(userData.flow AS float) AS Flow,
        CAST(userData.leak AS bit) AS Leak,
        CAST(userData.temperature AS float) AS Temperature
    FROM EventHubInput
    WHERE userData.volume IS NOT NULL
)
SELECT DeviceID, Seq, SeenAt, Volume, Flow, Leak, Temperature INTO Readings FROM Water;
SELECT DeviceID, Seq, SeenAt, Volume, Flow, Leak, Temperature INTO Alerts FROM Water WHERE Leak = 1 OR Temperature < 4.0
