-- Readings that cannot be right: balance does not add up, consumption runs backwards, balance grows without a purchase.
-- How far off is too far comes with the meter (Meters); only readings that are off at all are looked up.
WITH readings AS (
    SELECT
        originData.app.moteeui AS DeviceID,
        userData.[bought] AS Bought,
        userData.[left] AS Remaining,
        userData.[used] AS TotalUsed,
        LAG(userData.[bought]) OVER (PARTITION BY originData.app.moteeui LIMIT DURATION(day, 1)) AS LastBought,
        LAG(userData.[left]) OVER (PARTITION BY originData.app.moteeui LIMIT DURATION(day, 1)) AS LastRemaining,
        LAG(userData.[used]) OVER (PARTITION BY originData.app.moteeui LIMIT DURATION(day, 1)) AS LastUsed
    FROM EventHubInput TIMESTAMP BY userData.[time]
),
odd AS (
    SELECT DeviceID, Bought, Remaining, TotalUsed, LastBought, LastRemaining, LastUsed
    FROM readings
    WHERE ABS(Bought - Remaining - TotalUsed) > 0.0001
       OR TotalUsed < LastUsed
       OR (Remaining > LastRemaining AND Bought = LastBought)
)

SELECT
    r.DeviceID, r.Bought, r.Remaining, r.TotalUsed,
    r.Bought - r.Remaining - r.TotalUsed AS Difference,
    CASE
        WHEN r.TotalUsed < r.LastUsed THEN 'consumption runs backwards'
        WHEN r.Remaining > r.LastRemaining AND r.Bought = r.LastBought THEN 'balance grew without purchase'
        ELSE 'bought - left <> used'
    END AS Reason,
    System.Timestamp() AS SeenAt
INTO TamperAlert
FROM odd r
LEFT OUTER JOIN Meters m ON r.DeviceID = m.DeviceID
WHERE ABS(r.Bought - r.Remaining - r.TotalUsed) > COALESCE(m.TamperTolerance, 0.0015 /*= tamper_tolerance */)
   OR r.TotalUsed < r.LastUsed
   OR (r.Remaining > r.LastRemaining AND r.Bought = r.LastBought)
