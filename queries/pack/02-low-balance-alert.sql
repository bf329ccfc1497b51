-- Alert: a row for every packet of a meter with less than 5 cubic metres left (case study, statement 2). The limit is the
-- platform's: this filter must stay cheap. A tenant's and a customer's own: 03.
SELECT
    originData.app.moteeui AS [DeviceID],
    userData.[time] AS [DateTime],
    userData.[type] AS [MeterType],
    userData.[code] AS [FactoryCode],
    userData.[bought] AS [Bought],
    userData.[left] AS [Remaining],
    userData.[used] AS [TotalUsed],
    userData.[status] AS [MeterStatus],
    userData.[version] AS [MeterSoftwareVer]
INTO SQLOutput
FROM EventHubInput
WHERE Remaining < 5.0 /*= low_limit */
