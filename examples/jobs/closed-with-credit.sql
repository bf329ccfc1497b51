SELECT DeviceID, SeenAt, Remaining INTO Rows FROM Closed WHERE Remaining > 5.0
