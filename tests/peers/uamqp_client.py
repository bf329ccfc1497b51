#!/usr/bin/env python3
"""uAMQP, the C library under Microsoft's former Python SDKs, as a gateway. peers_test.py says what it prints."""
import datetime
import sys

import uamqp
from uamqp import authentication, errors


def text(condition):
    name = getattr(condition, "value", condition)
    return name.decode() if isinstance(name, bytes) else str(name)


class Settled:
    """Prints what became of one message."""

    def __init__(self, name):
        self.name = name

    def __call__(self, result, error):
        if result == uamqp.constants.MessageSendResult.Ok:
            print("accepted", self.name, flush=True)
        elif isinstance(error, errors.MessageException):
            print("rejected", self.name, text(error.condition), flush=True)
        else:
            print("unknown", self.name, flush=True)


def main():
    host, port, authority, resource, token, address, first, count, size = sys.argv[1:]
    uri = f"amqps://{host}:{port}{address}"
    auth = authentication.SASTokenAuth(resource, uri, token, expires_in=datetime.timedelta(hours=1), port=int(port),
                                       verify=authority, retry_policy=authentication.TokenRetryPolicy(retries=0))
    client = uamqp.SendClient(uri, auth=auth, error_policy=errors.ErrorPolicy(max_retries=0))
    try:
        client.open()
        while not client.auth_complete():
            pass
        print("token 200", flush=True)
        while not client.client_ready():
            pass
        print("link open", flush=True)
        for number in range(int(first), int(first) + int(count)):
            name = f"n-{number}"
            message = uamqp.Message(body=name.encode().ljust(int(size), b"."))
            message.on_send_complete = Settled(name)
            client.queue_message(message)
            # One at a time, as the SDKs on it do: of messages that wait for credit together it gives up all but the first.
            client.wait()
        return 0
    except errors.TokenAuthFailure as error:
        print("token", error.status_code, flush=True)
    except errors.AuthenticationException:
        print("token", auth._cbs_auth.get_failure_info()[0], flush=True)
    except errors.LinkDetach as error:
        print("link refused", text(error.condition), flush=True)
    except errors.MessageException:
        return 0  # it was told to Settled
    except errors.AMQPError as error:
        print("cut", type(error).__name__, flush=True)
        return 3
    finally:
        client.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
