//! The page in a browser.

use std::time::Duration;

use azlin_tests::SOON;
use serde_json::json;

use crate::browser::{Appearance, Browser};
use crate::watched::{cloud, daemon, fleet, submit};

/// Waits until the page shows this text.
async fn reads(browser: &Browser, text: &str) {
    browser.wait(&format!("document.body.innerText.includes({})", json!(text)), SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_runners_as_they_live_and_why() {
    let (cloud, address) = tokio::task::spawn_blocking(cloud).await.unwrap();
    tokio::task::block_in_place(|| {
        fleet(&cloud, "ci", 1);
        fleet(&cloud, "gpu", 0);
        cloud.write("fleets/bad.toml", "repo = \"o/r\"\n[scaling]\nmax_runers = 3\n");
    });
    let running = tokio::task::block_in_place(|| daemon(&cloud, address));
    let browser = Browser::open(Appearance::Light, &format!("http://{address}/")).await;

    reads(&browser, "registered").await;
    let text = browser.text().await;
    for told in [
        "bad.toml cannot be used, since",
        "Jobs queued",
        "repo:o/r",
        "Standard_D4s_v5",
        "$0.19 an hour",
        "1 idle of 6",
    ] {
        assert!(text.contains(told), "{told}:\n{text}");
    }
    assert_eq!(browser.get("document.querySelectorAll('.fleet').length").await, json!(2));
    assert_eq!(browser.get("document.title").await, json!("! azlin github-runner"), "a file is bad");

    // The page updates by itself.
    submit(&cloud, "gpu", 3, 600);
    reads(&browser, "3 jobs queued").await;
    reads(&browser, "3 working of 6").await;
    reads(&browser, "scale up from 0 to 3: 3 jobs queued, 3 runners short").await;
    let drawn = "[...document.querySelectorAll('.fleet:nth-child(2) .picture path')].map((path) => path.getAttribute('class'))";
    let drawn = browser.get(drawn).await;
    assert!(drawn.as_array().unwrap().contains(&json!("f-busy")), "{drawn}");
    let said = "document.querySelector('.fleet:nth-child(2) .picture svg').getAttribute('aria-label')";
    assert!(browser.get(said).await.as_str().unwrap().contains("at most 3 jobs were queued"));
    browser.picture("page-light").await;

    // A removed fleet disappears from the page.
    std::fs::remove_file(cloud.config.path().join("fleets/gpu.toml")).unwrap();
    browser.wait("document.querySelectorAll('.fleet').length === 1", SOON).await;

    // The daemon stops too, and comes back.
    running.kill();
    browser.wait("!document.getElementById('silence').hidden", Duration::from_secs(90)).await;
    reads(&browser, "The daemon does not answer. This is what it knew ").await;
    let again = tokio::task::block_in_place(|| daemon(&cloud, address));
    browser.wait("document.getElementById('silence').hidden", SOON).await;
    reads(&browser, &format!("process {}", again.id())).await;
    browser.end().await;
    tokio::task::block_in_place(|| drop((again, cloud)));
}

/// The contrast of an element's text and its background, by the formula of the Web Content Accessibility
/// Guidelines, which require 4.5.
const CONTRAST: &str = "(() => {
    const light = (colour) => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
        if (!c.startsWith('rgba') || !c.endsWith(' 0)')) return c; } return 'rgb(255, 255, 255)'; };
    const faults = [];
    for (const e of document.querySelectorAll('body *')) {
        const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && e.checkVisibility();
        if (!own || e.closest('svg, script, style, noscript')) continue;
        const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) faults.push(`${e.tagName} ${e.className}: ${ratio.toFixed(2)}: ${e.textContent.slice(0, 40)}`);
    }
    return faults; })()";

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_read_by_day_and_by_night_and_on_a_phone() {
    let (cloud, address) = tokio::task::spawn_blocking(cloud).await.unwrap();
    tokio::task::block_in_place(|| {
        fleet(&cloud, "ci", 2);
        cloud.write("fleets/bad.toml", "repo = \"o/r\"\n[scaling]\nmax_runers = 3\n");
        let text = std::fs::read_to_string(cloud.config.path().join("fleets/ci.toml")).unwrap();
        cloud.write(
            "fleets/a-fleet-with-a-name-as-long-as-people-give-them.toml",
            &format!("enabled = false\n{text}").replace("\"ci\"", "\"x\""),
        );
    });
    let running = tokio::task::block_in_place(|| daemon(&cloud, address));
    submit(&cloud, "ci", 4, 600);
    let looks = [
        ("light", Appearance::Light),
        ("dark", Appearance::Dark),
        ("phone", Appearance::Phone(390)),
        ("small-phone", Appearance::Phone(320)),
    ];
    for (name, look) in looks {
        let browser = Browser::open(look, &format!("http://{address}/")).await;
        reads(&browser, "4 working").await;
        reads(&browser, "not enabled").await;
        assert_eq!(browser.get(CONTRAST).await, json!([]), "{name}");
        let beside = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.get(beside).await, json!(0), "{name}: nothing is to be scrolled to the side");
        let night = browser.get("matchMedia('(prefers-color-scheme: dark)').matches").await;
        assert_eq!(night, json!(matches!(look, Appearance::Dark)), "{name}");
        browser.picture(&format!("page-{name}")).await;
        browser.end().await;
    }
    tokio::task::block_in_place(|| drop((running, cloud)));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_fleets_are_found_by_name() {
    let (cloud, address) = tokio::task::spawn_blocking(cloud).await.unwrap();
    let names: Vec<String> = (0..40).map(|number| format!("fleet-{number:02}")).collect();
    tokio::task::block_in_place(|| names.iter().for_each(|name| fleet(&cloud, name, 0)));
    let running = tokio::task::block_in_place(|| daemon(&cloud, address));
    let browser = Browser::open(Appearance::Light, &format!("http://{address}/")).await;
    browser.wait("document.querySelectorAll('.fleet').length === 40", SOON).await;
    let open = "document.querySelectorAll('.fleet[open]').length";
    assert_eq!(browser.get(open).await, json!(0), "they are opened when they are wanted");
    let shown = "[...document.querySelectorAll('.fleet')].filter((fleet) => !fleet.hidden).map((fleet) => fleet.querySelector('.name').innerText)";
    browser
        .get("(() => { const field = document.getElementById('filter'); field.value = '-07'; field.dispatchEvent(new Event('input')); })()")
        .await;
    assert_eq!(browser.get(shown).await, json!(["fleet-07"]));
    browser.get("document.querySelector('.fleet:not([hidden]) summary').click()").await;
    reads(&browser, "Decisions that changed something").await;
    submit(&cloud, "fleet-07", 1, 600);
    reads(&browser, "1 working of 6").await;
    assert_eq!(
        browser.get(shown).await,
        json!(["fleet-07"]),
        "what happens elsewhere changes nothing of that"
    );
    browser.end().await;
    tokio::task::block_in_place(|| drop((running, cloud)));
}
