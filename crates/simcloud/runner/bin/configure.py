"""config.sh: registers the runner and writes its files, or removes both."""

import base64
import http.client
import json
import os
import platform
import sys
import urllib.parse

from github import GitHub, Refused

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILES = (".runner", ".credentials", ".credentials_rsaparams")
FLAGS = ("unattended", "ephemeral", "replace", "disableupdate", "no-default-labels", "generateserviceconfig")


def path(name):
    """The path of a file in the runner's folder."""
    return os.path.join(ROOT, name)


def parsed(arguments):
    """Reads --name value and --flag, each also from ACTIONS_RUNNER_INPUT_NAME."""
    found = {}
    for name, value in os.environ.items():
        if name.startswith("ACTIONS_RUNNER_INPUT_"):
            key = name[len("ACTIONS_RUNNER_INPUT_"):].lower()
            found["no-default-labels" if key.replace("_", "") == "nodefaultlabels" else key] = value
    words = list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            sys.exit("Unrecognized command-line input arguments: '%s'" % word)
        key = word[2:].lower()
        found[key] = "true" if key in FLAGS else (words.pop(0) if words else "")
    return found


def is_set(options, key):
    """Whether a flag is given."""
    return options.get(key, "").lower() in ("true", "1", "yes")


def write(name, text, mode=0o644):
    """Writes a file whole or not at all."""
    with open(path(name + ".new"), "w", encoding="utf-8") as file:
        os.chmod(file.name, mode)
        file.write(text)
    os.rename(path(name + ".new"), path(name))


def read(name):
    """Reads a JSON file, which may begin with a byte order mark."""
    with open(path(name), encoding="utf-8-sig") as file:
        return json.load(file)


def unpack(jitconfig):
    """Writes the files of a JIT configuration."""
    files = json.loads(base64.b64decode(jitconfig))
    for name, content in files.items():
        if name in FILES:
            with open(path(name), "wb") as file:
                os.chmod(file.name, 0o600)
                file.write(base64.b64decode(content))


def forget():
    """Removes what configure wrote."""
    for name in FILES:
        if os.path.exists(path(name)):
            os.remove(path(name))


def configure(arguments):
    """Registers this machine."""
    options = parsed(arguments)
    if is_set(options, "generateserviceconfig"):
        if not os.path.exists(path(".runner")):
            return "--generateServiceConfig requires that the runner is already configured."
        runner = read(".runner")
        service(urllib.parse.urlsplit(runner["gitHubUrl"]).path.strip("/").replace("/", "-"), runner["agentName"])
        return None
    if os.path.exists(path(".runner")):
        return "Cannot configure the runner because it is already configured. To reconfigure the runner, run 'config.cmd remove' or './config.sh remove' first."
    for key in ("url", "token"):
        if not options.get(key):
            return "Invalid configuration provided for %s. Terminating unattended configuration." % key
    url = urllib.parse.urlsplit(options["url"])
    server = "%s://%s" % (url.scheme, url.netloc)
    name = options.get("name") or platform.node()
    labels = [label.strip() for label in options.get("labels", "").split(",") if label.strip()]
    if not is_set(options, "no-default-labels"):
        labels = ["self-hosted", "Linux", "X64"] + labels
    if not labels:
        return "At least one label is required when default labels are off."
    wish = {
        "path": url.path.strip("/"), "token": options["token"], "name": name, "labels": labels,
        "group": options.get("runnergroup") or None, "ephemeral": is_set(options, "ephemeral"),
        "replace": is_set(options, "replace"),
    }
    try:
        made = GitHub(server).ask("register", wish)
    except Refused as refusal:
        return str(refusal)
    except (OSError, http.client.HTTPException) as error:
        return "Failed to connect to %s: %s" % (server, error)
    print("√ Runner successfully added")
    runner = dict(made["runner"], serverUrl=server, gitHubUrl=options["url"], workFolder=options.get("work") or "_work")
    runner["disableUpdate"] = is_set(options, "disableupdate")
    write(".credentials", json.dumps({"scheme": "OAuth", "data": {"secret": made["secret"]}}), 0o600)
    write(".runner", "\ufeff" + json.dumps(runner, indent=2))
    service(url.path.strip("/").replace("/", "-"), name)
    print("√ Settings Saved.")
    return None


def service(scope, name):
    """Writes svc.sh for this runner."""
    with open(path("bin/systemd.svc.sh.template"), encoding="utf-8") as file:
        template = file.read()
    write("svc.sh", template.replace("{{SvcNameVar}}", "actions.runner.%s.%s.service" % (scope, name)), 0o755)


def remove(arguments):
    """Removes this machine's registration."""
    options = parsed(arguments)
    if os.path.exists(path(".service")):
        return "Uninstall service first"
    if not os.path.exists(path(".runner")):
        print("Does not exist. Skipping Removing .runner")
        return None
    runner = read(".runner")
    try:
        GitHub(runner["serverUrl"]).ask("%d/remove" % runner["agentId"], {"token": options.get("token", "")})
    except Refused as refusal:
        return str(refusal)
    except (OSError, http.client.HTTPException) as error:
        return "Failed to connect to %s: %s" % (runner["serverUrl"], error)
    print("√ Runner removed successfully")
    forget()
    return None
