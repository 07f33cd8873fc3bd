"""Reads secrets through the sidecar. Python's standard library is enough: the API is plain HTTP on localhost."""

import json
import os
import urllib.error
import urllib.request

SECRETS = f"http://127.0.0.1:{os.environ['DAPR_HTTP_PORT']}/v1.0/secrets/vault"


def get(path):
    with urllib.request.urlopen(f"{SECRETS}/{path}") as response:
        return json.load(response)


# The program knows a name; which kind of store answers is the component's business.
password = get("database:password")["database:password"]
assert password == "correct horse battery staple", password
print(f"the password has {len(password)} characters")

everything = get("bulk")
assert set(everything) == {"database:user", "database:password", "mail-token"}, everything
print("names in the store:", ", ".join(sorted(everything)))

try:
    get("no-such-secret")
    raise SystemExit("a secret that is not there was found")
except urllib.error.HTTPError as error:
    code = json.load(error)["errorCode"]
    assert (error.code, code) == (500, "ERR_SECRET_GET"), (error.code, code)
    print("a secret that is not there:", code)
