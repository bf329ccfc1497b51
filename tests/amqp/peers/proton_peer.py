# Qpid Proton as client: the same course as rhea.mjs. One line: PASS or FAIL.
import sys
from proton import Message
from proton.utils import BlockingConnection, LinkDetached

COUNT = 300
port, sasl = sys.argv[1], sys.argv[2]
options = dict(timeout=20, heartbeat=10)
options.update(dict(allowed_mechs="ANONYMOUS") if sasl == "anonymous" else dict(sasl_enabled=False))
connection = BlockingConnection(f"127.0.0.1:{port}", **options)
sender = connection.create_sender("telemetry")
for n in range(COUNT):
    body = b"x" * (200000 if n == 7 else 300)
    sender.send(Message(id=f"m-{n}", properties={"n": n}, body=body, inferred=True))
receiver = connection.create_receiver("telemetry", credit=20)
for n in range(COUNT):
    message = receiver.receive(timeout=20)
    assert message.id == f"m-{n}", message.id
    assert len(message.body) == (200000 if n == 7 else 300)
    receiver.accept()
try:
    connection.create_sender("refused")
    print("FAIL was not refused")
    sys.exit(1)
except LinkDetached as error:
    assert "not-found" in str(error) or "no such node" in str(error), error
receiver.close()
connection.close()
print("PASS")
