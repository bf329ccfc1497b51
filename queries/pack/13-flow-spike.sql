-- A step more than ten times the meter's own mean of the last hour, and more than 0.02 m3 in 30 s (2.4 m3/h). Both come
-- with the meter (Meters); only steps above its mean are looked up.
WITH flow AS (
    SELECT
        originData.app.moteeui AS DeviceID,
        userData.[used] - LAG(userData.[used]) OVER (PARTITION BY originData.app.moteeui LIMIT DURATION(minute, 2)) AS Used
    FROM EventHubInput TIMESTAMP BY userData.[time]
),
history AS (
    SELECT
        DeviceID, Used,
        AVG(Used) OVER (PARTITION BY DeviceID LIMIT DURATION(hour, 1) WHEN Used >= 0) AS MeanUsed,
        COUNT(Used) OVER (PARTITION BY DeviceID LIMIT DURATION(hour, 1) WHEN Used >= 0) AS Samples
    FROM flow
),
steps AS (
    SELECT DeviceID, Used, MeanUsed, Samples
    FROM history
    WHERE Samples >= 20 AND Used > 0 AND Used > MeanUsed
)

SELECT s.DeviceID, s.Used, s.MeanUsed, s.Samples, System.Timestamp() AS SeenAt
INTO FlowSpike
FROM steps s
LEFT OUTER JOIN Meters m ON s.DeviceID = m.DeviceID
WHERE s.Used > COALESCE(m.SpikeFloor, 0.02 /*= spike_floor */)
  AND s.Used > COALESCE(m.SpikeFactor, 10 /*= spike_factor */) * s.MeanUsed
