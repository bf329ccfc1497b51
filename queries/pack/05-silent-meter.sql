-- A meter that has sent nothing for 5 minutes (ten missed packets), and the moment it comes back. The language wants the
-- time of a join as a constant: it is the platform's, rules.silence_meter.
-- The lower bound of 1 second keeps an event from matching itself.
WITH packets AS (
    SELECT originData.app.moteeui AS DeviceID, userData.[time] AS SentAt
    FROM EventHubInput TIMESTAMP BY userData.[time]
)

SELECT a.DeviceID, a.SentAt AS LastSeen, System.Timestamp() AS DetectedAt
INTO SilentMeter
FROM packets a
LEFT OUTER JOIN packets b
    ON a.DeviceID = b.DeviceID AND DATEDIFF(second, a, b) BETWEEN 1 AND 300 /*= silence_seconds */
WHERE b.DeviceID IS NULL

SELECT
    DeviceID,
    SentAt AS BackAt,
    DATEDIFF(second, LAG(SentAt) OVER (PARTITION BY DeviceID LIMIT DURATION(day, 7)), SentAt) AS SilentSeconds
INTO MeterBack
FROM packets
WHERE DATEDIFF(second, LAG(SentAt) OVER (PARTITION BY DeviceID LIMIT DURATION(day, 7)), SentAt) > 300 /*= silence_seconds */
