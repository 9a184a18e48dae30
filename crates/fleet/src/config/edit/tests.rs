use super::*;

const EXAMPLE: &str = include_str!("../../../../../config/fleets/ci-workers.toml");

fn number(key: &str, number: i64) -> KeyChange {
    KeyChange::set(key, Literal::Number(number))
}

/// The text with one change, whether or not it describes a fleet.
fn after(text: &str, change: KeyChange) -> String {
    let pool = "ci".parse().expect("a valid name");
    match edit("ci.toml", &pool, text, &[change], &FleetDefaults::default(), NamedFiles::Unread) {
        Ok((text, _)) | Err(Faulty { text, .. }) => text,
    }
}

#[test]
fn a_change_is_made_as_its_owner_would() {
    let max = || number("scaling.max_runners", 7);
    let none = || KeyChange::remove("scaling.manual_count");
    let tag = || KeyChange::set("vm.tags.team", Literal::Text("a b".to_owned()));
    let on = || KeyChange::set("enabled", Literal::Flag(true));
    for (what, before, change, expected) in [
        (
            "replaced, its comment kept",
            "[scaling]\nmax_runners = 3   # quota\n",
            max(),
            "[scaling]\nmax_runners = 7   # quota\n",
        ),
        (
            "the same in another spelling stays",
            "[scaling]\nmax_runners = 0x7\n",
            max(),
            "[scaling]\nmax_runners = 0x7\n",
        ),
        (
            "a sign in a text is no remark",
            "[vm.tags]\nteam = \"a # b\"\n",
            tag(),
            "[vm.tags]\nteam = \"a b\"\n",
        ),
        (
            "the same price in another spelling stays",
            "[vm]\nmax_price = 2.50e-1\n",
            KeyChange::set("vm.max_price", Literal::Decimal(0.25)),
            "[vm]\nmax_price = 2.50e-1\n",
        ),
        (
            "another price does not",
            "[vm]\nmax_price = 2.50e-1\n",
            KeyChange::set("vm.max_price", Literal::Decimal(0.5)),
            "[vm]\nmax_price = 0.5\n",
        ),
        (
            "a default becomes live",
            "[scaling]\n#max_runners = 10 # a\nmin_runners = 1\n",
            max(),
            "[scaling]\nmax_runners = 7 # a\nmin_runners = 1\n",
        ),
        (
            "below an example, which stays with its remark",
            "[scaling]\n  # max_runners = 10 # in May\n",
            max(),
            "[scaling]\n  # max_runners = 10 # in May\n  max_runners = 7\n",
        ),
        (
            "what is further in is prose",
            "[scaling]\nmin_runners = 1\n# We tried:\n#   max_runners = 50\n# and it cost 3000 EUR.\n",
            max(),
            "[scaling]\nmin_runners = 1\nmax_runners = 7\n# We tried:\n#   max_runners = 50\n# and it cost 3000 EUR.\n",
        ),
        (
            "a count that was set below its example leaves it as it was",
            "[scaling]\n# manual_count = 5\nmanual_count = 3\n\n",
            none(),
            "[scaling]\n# manual_count = 5\n\n",
        ),
        (
            "CRLF, a count that was set below its example",
            "[scaling]\r\n# manual_count = 5\r\nmanual_count = 3\r\n\r\n",
            none(),
            "[scaling]\r\n# manual_count = 5\r\n\r\n",
        ),
        (
            "but not with a remark",
            "[scaling]\n# manual_count = 5\nmanual_count = 3 # INC-17\n",
            none(),
            "[scaling]\n# manual_count = 5\n# manual_count = 3 # INC-17\n",
        ),
        (
            "dotted keys in braces stay dotted",
            "vm = { tags.owner = \"x\", spot = true }\n",
            tag(),
            "vm = { tags.owner = \"x\", spot = true, tags.team = \"a b\" }\n",
        ),
        (
            "prose is not an example",
            "[scaling]\n# max_runners = 10 is too few\n",
            max(),
            "[scaling]\nmax_runners = 7\n# max_runners = 10 is too few\n",
        ),
        (
            "of another table it is none",
            "[scaling]\n[vm]\n# max_runners = 10\n",
            max(),
            "[scaling]\nmax_runners = 7\n[vm]\n# max_runners = 10\n",
        ),
        (
            "in text it is none",
            "[scaling]\n[x]\na = \"\"\"\n[scaling]\n#max_runners = 1\n\"\"\"\n",
            max(),
            "[scaling]\nmax_runners = 7\n[x]\na = \"\"\"\n[scaling]\n#max_runners = 1\n\"\"\"\n",
        ),
        (
            "at the end of its table",
            "[scaling]\n  min_runners = 1\n#cooldown = \"5m\"\n\n# VMs\n[vm]\n",
            max(),
            "[scaling]\n  min_runners = 1\n#cooldown = \"5m\"\nmax_runners = 7\n\n# VMs\n[vm]\n",
        ),
        (
            "as far in as its neighbour",
            "[scaling]\n  min_runners = 1\n\n[vm]\n",
            max(),
            "[scaling]\n  min_runners = 1\n  max_runners = 7\n\n[vm]\n",
        ),
        (
            "a table in its place",
            "repo = \"o/r\"\n\n# VMs\n[vm]\nimage = \"x\"\n",
            max(),
            "repo = \"o/r\"\n\n[scaling]\nmax_runners = 7\n\n# VMs\n[vm]\nimage = \"x\"\n",
        ),
        ("a table at the end", "repo = \"o/r\"", max(), "repo = \"o/r\"\n\n[scaling]\nmax_runners = 7\n"),
        ("below the last line", "repo = \"o/r\"\n", max(), "repo = \"o/r\"\n\n[scaling]\nmax_runners = 7\n"),
        ("below a header further in", "  [scaling]\n", max(), "  [scaling]\nmax_runners = 7\n"),
        ("off becomes on", "enabled = false\n", on(), "enabled = true\n"),
        ("into nothing", "", max(), "[scaling]\nmax_runners = 7\n"),
        (
            "an inline table",
            "scaling = { min_runners = 1 } # few\n",
            max(),
            "scaling = { min_runners = 1, max_runners = 7 } # few\n",
        ),
        ("an empty one", "scaling = {}\n", max(), "scaling = { max_runners = 7 }\n"),
        (
            "in an inline table",
            "scaling = { max_runners = 3, min_runners = 1 }\n",
            max(),
            "scaling = { max_runners = 7, min_runners = 1 }\n",
        ),
        (
            "keys with dots",
            "scaling.min_runners = 1\nrepo = \"o/r\"\n[vm]\n",
            max(),
            "scaling.min_runners = 1\nrepo = \"o/r\"\nscaling.max_runners = 7\n[vm]\n",
        ),
        (
            "a comment with dots",
            "repo = \"o/r\"\n#scaling.max_runners = 3\n",
            max(),
            "repo = \"o/r\"\nscaling.max_runners = 7\n",
        ),
        (
            "CRLF",
            "[scaling]\r\nmin_runners = 1\r\n",
            max(),
            "[scaling]\r\nmin_runners = 1\r\nmax_runners = 7\r\n",
        ),
        ("CRLF, a comment", "[scaling]\r\n#max_runners = 1\r\n", max(), "[scaling]\r\nmax_runners = 7\r\n"),
        (
            "no line break at the end",
            "[scaling]\nmin_runners = 1",
            max(),
            "[scaling]\nmin_runners = 1\nmax_runners = 7",
        ),
        ("at the top", "# Mine.\n\n[vm]\n", on(), "# Mine.\nenabled = true\n\n[vm]\n"),
        ("after the only words", "# \u{71a}", on(), "# \u{71a}\nenabled = true"),
        (
            "at the top, before what belongs to a table",
            "\u{feff}# VMs\n[vm]\n",
            on(),
            "\u{feff}enabled = true\n# VMs\n[vm]\n",
        ),
        (
            "at the top, behind a list",
            "labels = [\n  \"a\",\n]\n[vm]\n",
            on(),
            "labels = [\n  \"a\",\n]\nenabled = true\n[vm]\n",
        ),
        (
            "out of a table",
            "[scaling]\n  manual_count = 3 # for now\nmin_runners = 1\n",
            none(),
            "[scaling]\n  # manual_count = 3 # for now\nmin_runners = 1\n",
        ),
        ("out of keys with dots", "scaling.manual_count = 3\r\n", none(), "# scaling.manual_count = 3\r\n"),
        (
            "out of an inline table",
            "scaling = { manual_count = 3, min_runners = 1 }\n",
            none(),
            "scaling = { min_runners = 1 }\n",
        ),
        (
            "from its end",
            "scaling = { min_runners = 1, manual_count = 3 }\n",
            none(),
            "scaling = { min_runners = 1  }\n",
        ),
        (
            "from its middle",
            "scaling = { a = 1,\n manual_count = 3, # why\n b = 2 }\n",
            none(),
            "scaling = { a = 1,\n # why\n b = 2 }\n",
        ),
        ("all of it", "scaling = { manual_count = 3 }\n", none(), "scaling = {  }\n"),
        (
            "with every blank behind it",
            "scaling = { manual_count = 3,   min_runners = 1 }\n",
            none(),
            "scaling = { min_runners = 1 }\n",
        ),
        (
            "from its end, behind a remark and its comma",
            "scaling = { min_runners = 1 # few\n, manual_count = 3 }\n",
            none(),
            "scaling = { min_runners = 1 # few\n  }\n",
        ),
        (
            "from its end, behind keys with dots",
            "vm = { tags.owner = \"x\", spot = true }\n",
            KeyChange::remove("vm.spot"),
            "vm = { tags.owner = \"x\"  }\n",
        ),
        (
            "from its end, behind a table in braces",
            "vm = { tags = { owner = \"x\" }, spot = true }\n",
            KeyChange::remove("vm.spot"),
            "vm = { tags = { owner = \"x\" }  }\n",
        ),
        ("what is not there", "repo = \"o/r\"\n", none(), "repo = \"o/r\"\n"),
        (
            "tags, the first",
            "[vm]\n# tags = { team = \"platform\" }\n",
            tag(),
            "[vm]\n# tags = { team = \"platform\" }\ntags = { team = \"a b\" }\n",
        ),
        (
            "tags, one more",
            "[vm]\ntags = { x = \"y\" }\n",
            tag(),
            "[vm]\ntags = { x = \"y\", team = \"a b\" }\n",
        ),
        (
            "tags with dots, and other dots above them",
            "x.y.z = 1\n[vm]\ntags.owner = \"x\"\n",
            tag(),
            "x.y.z = 1\n[vm]\ntags.owner = \"x\"\ntags.team = \"a b\"\n",
        ),
        ("tags, a table", "[vm.tags]\nx = \"y\"\n", tag(), "[vm.tags]\nx = \"y\"\nteam = \"a b\"\n"),
        (
            "tags with dots",
            "[vm]\ntags.x = \"y\"\nspot = true\n",
            tag(),
            "[vm]\ntags.x = \"y\"\nspot = true\ntags.team = \"a b\"\n",
        ),
        (
            "tags without a table",
            "vm = { spot = true }\n",
            tag(),
            "vm = { spot = true, tags = { team = \"a b\" } }\n",
        ),
        (
            "before a list of tables",
            "[vm]\nsubnet_id = \"/s\"\n\n# North.\n[[vm.elsewhere]]\nlocation = \"northeurope\"\nsubnet_id = \"/n\"\n",
            tag(),
            "[vm]\nsubnet_id = \"/s\"\ntags = { team = \"a b\" }\n\n# North.\n[[vm.elsewhere]]\nlocation = \"northeurope\"\nsubnet_id = \"/n\"\n",
        ),
        (
            "beside a list of tables",
            "[[vm.elsewhere]]\nlocation = \"northeurope\"\n",
            max(),
            "[scaling]\nmax_runners = 7\n\n[[vm.elsewhere]]\nlocation = \"northeurope\"\n",
        ),
        ("tags and nothing", "", tag(), "[vm]\ntags = { team = \"a b\" }\n"),
        ("what is not TOML stays", "[scaling\n", max(), "[scaling\n"),
        ("a value in the way stays", "scaling = 3\n", max(), "scaling = 3\n"),
    ] {
        let once = after(before, change.clone());
        assert_eq!(once, expected, "{what}");
        assert_eq!(after(&once, change), once, "{what}: a second time");
    }
}

#[test]
fn a_new_file_has_what_was_given_and_nothing_of_the_example() {
    let pool: PoolName = "builds".parse().expect("a valid name");
    let text = |key: &str, text: &str| KeyChange::set(key, Literal::Text(text.to_owned()));
    let subscription = "11111111-1111-1111-1111-111111111111";
    let mut changes = vec![
        KeyChange::set("enabled", Literal::Flag(true)),
        text("org", "acme"),
        text("vm.subscription_id", subscription),
        text("vm.resource_group", "rg"),
        text("vm.location", "northeurope"),
        text("vm.subnet_id", "/subscriptions/1/resourceGroups/rg/providers/x/subnets/s"),
        number("scaling.max_runners", 3),
    ];
    let (file, fleet) =
        new_file("builds.toml", &pool, &changes, &FleetDefaults::default(), NamedFiles::Unread)
            .expect("it is whole");
    assert_eq!(
        file.lines().count(),
        EXAMPLE.lines().count() + 2,
        "each line of the example stays one, but for a comment"
    );
    assert_eq!(fleet.labels, []);
    let live: Vec<&str> = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    insta::assert_snapshot!(live.join("\n"));
    changes.truncate(1);
    let faulty = new_file("builds.toml", &pool, &changes, &FleetDefaults::default(), NamedFiles::Unread)
        .expect_err("it lacks what has no default");
    let missing: Vec<&str> = faulty.problems.0.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(missing, ["repo", "vm.subscription_id", "vm.resource_group", "vm.location", "vm.subnet_id"]);
}

/// What `[defaults]` has stays out of a new file, and a runner for each job is only for runners of one job.
#[test]
fn a_new_file_leaves_to_the_defaults_what_they_have() {
    let defaults = |scaling: &str| {
        FleetDefaults::of(&format!(
            "[defaults.vm]\nsubscription_id = '00000000-0000-0000-0000-000000000000'\nresource_group = 'rg'\n\
             location = 'uksouth'\nsizes = ['Standard_D2s_v5']\nsubnet_id = '/subscriptions/0/s'\n{scaling}"
        ))
    };
    let pool: PoolName = "builds".parse().expect("a valid name");
    let text = |key: &str, text: &str| KeyChange::set(key, Literal::Text(text.to_owned()));
    let repo = || vec![text("repo", "o/r")];
    let ssh =
        || vec![text("repo", "o/r"), text("bootstrap.method", "ssh"), number("lifecycle.max_job_count", 5)];
    let threshold = || vec![text("repo", "o/r"), number("scaling.scale_up_threshold", 1)];
    for (situation, changes, scaling, expected) in [
        ("a runner for each job", repo(), "", (1, 0)),
        ("runners of many jobs", ssh(), "", (2, 2)),
        ("a given threshold", threshold(), "", (2, 1)),
        ("a default of its own", repo(), "[defaults.scaling]\njobs_per_runner = 3\n", (3, 2)),
    ] {
        let (file, fleet) = new_file("builds.toml", &pool, &changes, &defaults(scaling), NamedFiles::Unread)
            .expect(situation);
        let scaling = &fleet.scaling;
        assert_eq!((scaling.jobs_per_runner, scaling.scale_up_threshold), expected, "{situation}");
        assert_eq!((fleet.vm.location.as_str(), fleet.vm.sizes.len()), ("uksouth", 1), "{situation}");
        assert!(!file.lines().any(|line| line.starts_with("sizes")), "{situation}: {file}");
    }
}

#[test]
fn an_edit_that_makes_a_file_bad_is_refused_with_the_text_that_it_would_be() {
    let pool = "ci".parse().expect("a valid name");
    let none = FleetDefaults::default();
    let refused =
        edit("ci.toml", &pool, EXAMPLE, &[number("scaling.min_runners", 11)], &none, NamedFiles::Unread)
            .expect_err("11 > 10");
    let problem = &refused.problems.0[0];
    assert_eq!(&refused.text[problem.span.clone()], "11");
    let fixed = edit(
        "ci.toml",
        &pool,
        &refused.text,
        &[number("scaling.max_runners", 20)],
        &none,
        NamedFiles::Unread,
    );
    assert_eq!(fixed.map(|(_, fleet)| fleet.scaling.max_runners), Ok(20));
}
