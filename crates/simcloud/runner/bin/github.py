"""Talks to the simulated GitHub by /_runner/, a protocol of its own."""

import http.client
import json
import urllib.parse


class Refused(Exception):
    """GitHub refused a request."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class GitHub:
    """One connection, made again after it was lost."""

    def __init__(self, url, secret=None):
        self.address = urllib.parse.urlsplit(url)
        self.secret = secret
        self.connection = None

    def ask(self, path, body):
        """Returns the answer; raises OSError or HTTPException if there is none, Refused if GitHub refuses."""
        headers = {"content-type": "application/json"}
        if self.secret:
            headers["authorization"] = "Bearer " + self.secret
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=30)
            self.connection.request("POST", "/_runner/" + path, json.dumps(body), headers)
            response = self.connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        try:
            answer = json.loads(text) if text else {}
        except ValueError:
            answer = {}
        if response.status >= 300:
            raise Refused(response.status, answer.get("message") or "Http response code: %d" % response.status)
        return answer

    def close(self):
        """Closes the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
