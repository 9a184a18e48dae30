//! Bad files, each with what is wrong with it.

pub const GOOD: &str = include_str!("../../../../config/fleets/ci-workers.toml");
pub const GOOD_DAEMON: &str = include_str!("../../../../config/azlin.toml");

/// What must never be printed.
pub const SECRETS: [&str; 2] = ["0123456789abcdef", "hunter2"];

const REPO: &str = "repo = \"myorg/myrepo\"";
const LABELS: &str = "labels = [\"linux\", \"docker\"]";
const MIN: &str = "#min_runners = 0";
const MAX: &str = "#max_runners = 10";
const COOLDOWN: &str = "#cooldown = \"5m\"";
const SUBSCRIPTION: &str = "subscription_id = \"00000000-0000-0000-0000-000000000000\"";
const GROUP: &str = "resource_group = \"ci-runners\"";
const LOCATION: &str = "location = \"westeurope\"";
const SIZES: &str = "sizes = [\"Standard_D4s_v5\", \"Standard_D4as_v5\"]";
const IMAGE: &str = "image = \"Canonical:ubuntu-24_04-lts:server:latest\"";
const SUBNET: &str = "subnet_id = \"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/ci-runners/providers/Microsoft.Network/virtualNetworks/ci/subnets/runners\"";
const TAGS: &str = "# tags = { team = \"platform\" }";

/// Fleets: what is wrong, and the lines of the example that are changed.
#[rustfmt::skip]
pub const FLEET: &[(&str, &[(&str, &str)])] = &[
    // Not TOML.
    ("a header without its end", &[("[scaling]", "[scaling")]),
    ("text without its end", &[(REPO, "repo = \"o/r")]),
    ("text without its beginning", &[(REPO, "repo = o/r\"")]),
    ("text without quotes", &[(REPO, "repo = o/r")]),
    ("a list without its end", &[(LABELS, "labels = [\"linux\"")]),
    ("a list without a comma", &[(LABELS, "labels = [\"linux\" \"docker\"]")]),
    ("no value", &[(REPO, "repo =")]),
    ("no equals sign", &[(REPO, "repo \"o/r\"")]),
    ("a colon for the equals sign", &[(REPO, "repo: \"o/r\"")]),
    ("two equals signs", &[(REPO, "repo == \"o/r\"")]),
    ("no key", &[(REPO, "= \"o/r\"")]),
    ("two values", &[(REPO, "repo = \"o/r\" \"p/q\"")]),
    ("a key twice", &[(REPO, "repo = \"o/r\"\nrepo = \"p/q\"")]),
    ("a table twice", &[("[lifecycle]", "[scaling]")]),
    ("True as in Python", &[("#enabled = true", "enabled = True")]),
    ("yes as in YAML", &[("#enabled = true", "enabled = yes")]),
    ("a wrong escape", &[(REPO, "repo = \"o\\r\"")]),
    ("a comment as in C", &[(REPO, "repo = \"o/r\" // mine")]),
    ("a duration without quotes", &[(COOLDOWN, "cooldown = 5m")]),
    ("a table without its end", &[(TAGS, "tags = { team = \"a\"")]),
    ("a key with a blank", &[(REPO, "my repo = \"o/r\"")]),
    ("a leading zero", &[(MIN, "min_runners = 01")]),
    ("an empty key in a header", &[("[scaling]", "[]")]),
    ("a control character", &[(REPO, "repo = \"o/\u{7}r\"")]),
    ("JSON", &[(GOOD, "{\"repo\": \"o/r\"}")]),
    ("YAML", &[(GOOD, "repo: o/r\nlabels:\n  - linux\n")]),
    // Keys.
    ("a key misspelled", &[(MIN, "min_runers = 1")]),
    ("a key unlike any", &[(MIN, "colour = \"blue\"")]),
    ("a key in capitals", &[(MIN, "MIN_RUNNERS = 1")]),
    ("a key with a dash", &[(MIN, "min-runners = 1")]),
    ("a key of another table", &[(MIN, "sizes = []")]),
    ("a key of a table at the top", &[("#enabled = true", "max_runners = 3")]),
    ("a table misspelled", &[("[lifecycle]", "[lifecylce]")]),
    ("a table in a table", &[("[lifecycle]", "[scaling.lifecycle]")]),
    ("a table as a list", &[("[vm]", "[[vm]]")]),
    ("a value for a table", &[("#enabled = true", "scaling = 3"), ("[scaling]", "[lifecycle2]")]),
    ("a table for a value", &[("[lifecycle]", "[enabled]")]),
    ("a key with a control character", &[(MIN, "\"a\\u001b[31m\" = 1")]),
    // Where.
    ("nothing", &[(GOOD, "")]),
    ("no scope", &[(REPO, "")]),
    ("two scopes", &[(REPO, "repo = \"o/r\"\norg = \"o\"")]),
    ("all three", &[(REPO, "repo = \"o/r\"\nenterprise = \"e\"\norg = \"o\"")]),
    ("words for a repository", &[(REPO, "repo = \"not a repo\"")]),
    ("a repository without owner", &[(REPO, "repo = \"myrepo\"")]),
    ("a repository's address", &[(REPO, "repo = \"https://github.com/o/r\"")]),
    ("a repository that climbs", &[(REPO, "repo = \"o/..\"")]),
    ("an empty repository", &[(REPO, "repo = \"\"")]),
    ("a number for a repository", &[(REPO, "repo = 1")]),
    ("a list of repositories", &[(REPO, "repo = [\"o/r\", \"o/s\"]")]),
    ("an organisation with a slash", &[(REPO, "org = \"o/r\"")]),
    ("an empty enterprise", &[(REPO, "enterprise = \"\"")]),
    // At the top.
    ("text for a flag", &[("#enabled = true", "enabled = \"yes\"")]),
    ("a number for a flag", &[("#enabled = true", "enabled = 1")]),
    ("text for a list", &[(LABELS, "labels = \"linux\"")]),
    ("a label with a blank", &[(LABELS, "labels = [\"linux\", \"a b\"]")]),
    ("a label for a shell", &[(LABELS, "labels = [\"$(reboot)\"]")]),
    ("an empty label", &[(LABELS, "labels = [\"\"]")]),
    ("a number for a label", &[(LABELS, "labels = [1, \"docker\"]")]),
    ("two bad labels", &[(LABELS, "labels = [\n  \"a b\",\n  \"c d\",\n]")]),
    ("a list in a list", &[(LABELS, "labels = [[\"linux\"]]")]),
    ("a group of a repository", &[(LABELS, "runner_group = \"default\"")]),
    ("an empty group", &[(REPO, "org = \"o\"\nrunner_group = \" \"")]),
    ("a negative priority", &[("#priority = 100", "priority = -1")]),
    ("a priority past the end", &[("#priority = 100", "priority = 99999999999999999999")]),
    // Scaling.
    ("text for a number", &[(MIN, "min_runners = \"two\"")]),
    ("a negative number", &[(MIN, "min_runners = -1")]),
    ("a fraction", &[(MAX, "max_runners = 2.5")]),
    ("too many", &[(MAX, "max_runners = 10001")]),
    ("no number", &[(MAX, "max_runners = nan")]),
    ("more than the default maximum", &[(MIN, "min_runners = 11")]),
    ("a maximum below the minimum", &[(MIN, "min_runners = 3"), (MAX, "max_runners = 2")]),
    ("a count above the maximum", &[("# manual_count = 5", "manual_count = 11")]),
    ("no jobs for a runner", &[("#jobs_per_runner = 2", "jobs_per_runner = 0")]),
    ("a threshold as text", &[("#scale_up_threshold = 2", "scale_up_threshold = \"2\"")]),
    ("a number for a duration", &[(COOLDOWN, "cooldown = 300")]),
    ("a duration without unit", &[(COOLDOWN, "cooldown = \"300\"")]),
    ("a unit that nobody knows", &[(COOLDOWN, "cooldown = \"5 parsecs\"")]),
    ("a negative duration", &[(COOLDOWN, "cooldown = \"-5m\"")]),
    ("a duration of years", &[("#max_queue_wait = \"1m\"", "max_queue_wait = \"10years\"")]),
    ("a time for a duration", &[("#max_queue_wait = \"1m\"", "max_queue_wait = 00:01:00")]),
    // Lifecycle and bootstrap.
    ("no jobs at all", &[("#max_job_count = 1", "max_job_count = 0")]),
    ("many jobs without SSH", &[("#max_job_count = 1", "max_job_count = 3")]),
    ("no time to rotate", &[("#rotation_interval = \"24h\"", "rotation_interval = \"0s\"")]),
    ("no time to boot", &[("#boot_timeout = \"10m\"", "boot_timeout = \"\"")]),
    ("a date for a duration", &[("#offline_timeout = \"5m\"", "offline_timeout = 2026-01-01")]),
    ("a method that nobody knows", &[("#method = \"cloud-init\"", "method = \"telnet\"")]),
    ("a method in capitals", &[("#method = \"cloud-init\"", "method = \"SSH\"")]),
    ("a key without SSH", &[("#method = \"cloud-init\"", "ssh_private_key = \"/etc/azlin/key\"")]),
    ("a key's relative path", &[("#method = \"cloud-init\"", "method = \"ssh\"\nssh_private_key = \"id_ed25519\"")]),
    ("a key in the home directory", &[("#method = \"cloud-init\"", "method = \"ssh\"\nssh_private_key = \"~/.ssh/id_ed25519\"")]),
    // VMs.
    ("no table of VMs", &[(GOOD, "repo = \"o/r\"\n")]),
    ("no subscription", &[(SUBSCRIPTION, "")]),
    ("a subscription's name", &[(SUBSCRIPTION, "subscription_id = \"Production\"")]),
    ("a group with a slash", &[(GROUP, "resource_group = \"ci/runners\"")]),
    ("a group with a period at its end", &[(GROUP, "resource_group = \"ci.\"")]),
    ("no region", &[(LOCATION, "")]),
    ("a region as the portal has it", &[(LOCATION, "location = \"West Europe\"")]),
    ("no sizes", &[(SIZES, "")]),
    ("an empty list of sizes", &[(SIZES, "sizes = []")]),
    ("one size as text", &[(SIZES, "sizes = \"Standard_D4s_v5\"")]),
    ("a size with a blank", &[(SIZES, "sizes = [\"Standard D4s v5\"]")]),
    ("sizes of two processors", &[(SIZES, "sizes = [\"Standard_D4s_v5\", \"Standard_D4ps_v5\"]")]),
    ("no image", &[(IMAGE, "")]),
    ("an image's alias", &[(IMAGE, "image = \"ubuntu\"")]),
    ("an image without version", &[(IMAGE, "image = \"Canonical:ubuntu-24_04-lts:server\"")]),
    ("an image's id of elsewhere", &[(IMAGE, "image = \"/images/mine\"")]),
    ("no subnet", &[(SUBNET, "")]),
    ("a subnet's name", &[(SUBNET, "subnet_id = \"runners\"")]),
    ("a zone without quotes", &[("# zones = [\"1\", \"2\", \"3\"]", "zones = [1]")]),
    ("a fourth zone", &[("# zones = [\"1\", \"2\", \"3\"]", "zones = [\"4\"]")]),
    ("a price without spot", &[("# max_price = 0.25", "max_price = 0.25")]),
    ("a price of nothing", &[("#spot = false", "spot = true"), ("# max_price = 0.25", "max_price = 0")]),
    ("a price as text", &[("#spot = false", "spot = true"), ("# max_price = 0.25", "max_price = \"0.25\"")]),
    ("a disk of no size", &[("# os_disk_size_gb = 64", "os_disk_size_gb = 0")]),
    ("a disk with a unit", &[("# os_disk_size_gb = 64", "os_disk_size_gb = \"64GB\"")]),
    ("root as the administrator", &[("#admin_user = \"azureuser\"", "admin_user = \"root\"")]),
    ("an identity's name", &[("# identity = [", "identity = [\"ci\"] # [")]),
    ("a tag of ours", &[(TAGS, "tags = { azlin-pool = \"x\" }")]),
    ("a tag with a number", &[(TAGS, "tags = { team = 1 }")]),
    ("a tag's name with a slash", &[(TAGS, "tags = { \"a/b\" = \"x\" }")]),
    ("a list for tags", &[(TAGS, "tags = [\"team\"]")]),
    // Secrets.
    ("a token", &[(LABELS, "token = \"ghp_0123456789abcdefghijABCDEFGHIJ012345\"")]),
    ("a token as a label", &[(LABELS, "labels = [\"ghp_0123456789abcdefghijABCDEFGHIJ012345\"]")]),
    ("a token as a key", &[(LABELS, "ghp_0123456789abcdefghijABCDEFGHIJ012345 = 1")]),
    ("a password in a tag", &[(TAGS, "tags = { password = \"hunter2\" }")]),
    ("a password in an address", &[(REPO, "repo = \"https://ci:hunter2@github.com/o/r\"")]),
];

/// The daemon's file.
#[rustfmt::skip]
pub const DAEMON: &[(&str, &str)] = &[
    ("a table without its end", "[poll\nqueue = \"60s\""),
    ("a key misspelled", "[poll]\nqeue = \"60s\""),
    ("a table misspelled", "pol = 1"),
    ("no time between polls", "[poll]\nqueue = \"0s\""),
    ("a number for a duration", "[poll]\nhealth = 120"),
    ("nothing at once", "[limits]\nmax_concurrent_provisioning = 0"),
    ("too much at once", "[limits]\nmax_concurrent_provisioning = 100000"),
    ("no time for a request", "[limits]\nrequest_timeout = \"0s\""),
    ("plain HTTP", "[github]\napi_url = \"http://api.github.com\""),
    ("no address", "[github]\napi_url = \"api.github.com\""),
    ("an address with a query", "[github]\napi_url = \"https://ghes.example/api/v3?x=1\""),
    ("a password in an address", "[github]\napi_url = \"https://ci:hunter2@ghes.example/api/v3\""),
    ("a password before a slash", "[github]\napi_url = \"https://ci:hunter2/x@ghes.example\""),
    ("a password without a scheme", "[github]\napi_url = \"ci:hunter2@ghes.example/api/v3\""),
    ("an app", "[github]\napp_id = 7"),
    ("a token", "[github]\ntoken = \"github_pat_11ABCDEFG0123456789abcdef\""),
    ("plain HTTP to Azure", "[azure]\nresource_manager_url = \"http://management.azure.com\""),
    ("a client's secret", "[azure]\nclient_secret = \"hunter2\""),
    ("a name to listen on", "[http]\nlisten = \"localhost\""),
    ("no port to listen on", "[http]\nlisten = \"127.0.0.1\""),
    ("a port alone", "[http]\nlisten = 9469"),
    ("a fleet in the daemon's file", "repo = \"o/r\"\n[scaling]\nmin_runners = 1"),
];
