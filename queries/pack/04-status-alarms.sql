-- Status bits that were switched on, or off, since the previous packet. Which bits say what comes with the meter's model
-- (Meters); only a word that changed is looked up.
WITH states AS (
    SELECT
        originData.app.moteeui AS DeviceID,
        userData.[status] AS Status,
        COALESCE(LAG(userData.[status]) OVER (PARTITION BY originData.app.moteeui LIMIT DURATION(day, 1)), 0) AS Before
    FROM EventHubInput TIMESTAMP BY userData.[time]
),
changes AS (
    SELECT
        s.DeviceID, s.Status, s.Before,
        COALESCE(m.BatteryMask, 1 /*= battery_mask */) AS BatteryMask,
        COALESCE(m.TamperMask, 8 /*= tamper_mask */) AS TamperMask,
        COALESCE(m.SensorMask, 16 /*= sensor_mask */) AS SensorMask
    FROM states s
    LEFT OUTER JOIN Meters m ON s.DeviceID = m.DeviceID
    WHERE s.Status <> s.Before
),
alarms AS (
    SELECT DeviceID, Status, Before, 'battery' AS Alarm, BatteryMask AS Mask FROM changes
    UNION
    SELECT DeviceID, Status, Before, 'tamper' AS Alarm, TamperMask AS Mask FROM changes
    UNION
    SELECT DeviceID, Status, Before, 'flow sensor' AS Alarm, SensorMask AS Mask FROM changes
)

SELECT DeviceID, Alarm, Status, System.Timestamp() AS RaisedAt
INTO AlarmRaised
FROM alarms
WHERE (Status & Mask) <> 0 AND (Before & Mask) = 0

SELECT DeviceID, Alarm, Status, System.Timestamp() AS ClearedAt
INTO AlarmCleared
FROM alarms
WHERE (Status & Mask) = 0 AND (Before & Mask) <> 0
