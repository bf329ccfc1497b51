WITH Closed AS (
    SELECT originData.app.moteeui AS DeviceID, userData.time AS SeenAt, CAST(userData.[left] AS float) AS Remaining
    FROM EventHubInput
    WHERE userData.status & 2 = 2
)
SELECT DeviceID, SeenAt, Remaining INTO [Table] FROM Closed;
SELECT DeviceID, SeenAt, Remaining INTO Feed FROM Closed;
