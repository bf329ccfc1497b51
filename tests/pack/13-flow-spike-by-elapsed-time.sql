-- 13 without the false rows that follow a lost packet: a step counts by the time it took (docs/queries.md).
WITH flow AS (
    SELECT
        originData.app.moteeui AS DeviceID,
        userData.[used] - LAG(userData.[used]) OVER (PARTITION BY originData.app.moteeui LIMIT DURATION(minute, 2)) AS Used,
        DATEDIFF(millisecond, LAG(userData.[time]) OVER (PARTITION BY originData.app.moteeui LIMIT DURATION(minute, 2)), userData.[time]) / 30000.0 AS Intervals
    FROM EventHubInput TIMESTAMP BY userData.[time]
),
history AS (
    SELECT
        DeviceID, Used, Intervals,
        AVG(Used) OVER (PARTITION BY DeviceID LIMIT DURATION(hour, 1) WHEN Used >= 0) AS MeanUsed,
        COUNT(Used) OVER (PARTITION BY DeviceID LIMIT DURATION(hour, 1) WHEN Used >= 0) AS Samples
    FROM flow
)

SELECT DeviceID, Used, MeanUsed, Samples, System.Timestamp() AS SeenAt
INTO FlowSpike
FROM history
WHERE Samples >= 20 AND Used > 0.02 * Intervals AND Used > 10 * MeanUsed * Intervals
