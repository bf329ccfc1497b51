-- Leak suspicion: gas has flowed in every single interval of the last 2 hours (looked at every 10 minutes), or more than the
-- meter's NightLimit was used between 01:00 and 04:00 local time. How long is the platform's, rules.leak_duration: a window's
-- length is a constant. What counts as a pause, and how much by night, comes with the meter.
WITH flow AS (
    SELECT
        originData.app.moteeui AS DeviceID,
        userData.[used] - LAG(userData.[used]) OVER (PARTITION BY originData.app.moteeui LIMIT DURATION(minute, 2)) AS Used,
        DATEPART(hour, DATEADD(hour, 8, System.Timestamp())) AS LocalHour
    FROM EventHubInput TIMESTAMP BY userData.[time]
),
unbroken AS (
    SELECT
        DeviceID, MIN(Used) AS SmallestStep, SUM(Used) AS Volume, COUNT(*) AS Packets, System.Timestamp() AS WindowEnd
    FROM flow
    WHERE Used IS NOT NULL
    GROUP BY DeviceID, HoppingWindow(Duration(minute, 120 /*= leak_minutes */), Hop(minute, 10))
    HAVING MIN(Used) > 0 AND COUNT(*) >= 200 /*= leak_packets */
),
nights AS (
    SELECT DeviceID, SUM(Used) AS NightVolume, System.Timestamp() AS WindowEnd
    FROM flow
    WHERE Used > 0 AND LocalHour BETWEEN 1 AND 3
    GROUP BY DeviceID, TumblingWindow(Duration(day, 1), Offset(hour, -8))
)

SELECT u.DeviceID, u.SmallestStep, u.Volume, u.Packets, u.WindowEnd
INTO LeakSuspicion
FROM unbroken u
LEFT OUTER JOIN Meters m ON u.DeviceID = m.DeviceID
WHERE u.SmallestStep > COALESCE(m.LeakStep, 0 /*= leak_step */)

SELECT n.DeviceID, n.NightVolume, n.WindowEnd
INTO NightFlow
FROM nights n
LEFT OUTER JOIN Meters m ON n.DeviceID = m.DeviceID
WHERE n.NightVolume > COALESCE(m.NightLimit, 0.1 /*= night_limit */)
