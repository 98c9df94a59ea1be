//! Claims of speed: what was asked, what was found on each shape, and what it comes to.

use serde_json::{Value, json};

use super::escape::xml;

use crate::kernel::speed::{Decided, Figure};
use crate::kernel::timing::Verdict;
use crate::receipts::hex;
use crate::ui::{Align, Grid, Line, Page, Tone};

/// A kernel's id, and a claim of its.
pub(crate) type Claimed = (String, Decided);

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Supported => Tone::Good,
        Verdict::Refuted => Tone::Bad,
        Verdict::Inconclusive => Tone::Warn,
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.3} s"),
        s if s >= 1e-3 => format!("{:.3} ms", s * 1e3),
        s => format!("{:.1} µs", s * 1e6),
    }
}

/// Each baseline's time over the kernel's, the claimed one first.
fn beside(figure: &Figure) -> String {
    let one = |(name, ratio, low, high): &(String, f64, f64, f64)| format!("{name} {ratio:.2}x ({low:.2}–{high:.2})");
    figure.baselines.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The baseline that leaves the kernel the least.
pub(crate) fn best(figure: &Figure) -> Option<&(String, f64, f64, f64)> {
    figure.baselines.iter().min_by(|a, b| a.1.total_cmp(&b.1))
}

pub(crate) fn add(page: &mut Page, claims: &[Claimed]) {
    for (kernel, decided) in claims {
        page.blank();
        let line = Line::new()
            .column(tone(decided.verdict), decided.verdict.word(), 12)
            .toned(Tone::Strong, format!("{kernel} {}", decided.id))
            .text(format!(": {}", decided.grammar));
        page.line(line.hanging(13));
        if let Some((check, why)) = &decided.why {
            page.line(Line::new().text("  ").toned(tone(decided.verdict), format!("{check}: {why}")).hanging(4));
        }
        if decided.figures.is_empty() {
            continue;
        }
        let mut grid = Grid::new([
            ("shape", Align::Left),
            ("verdict", Align::Left),
            ("figure", Align::Right),
            ("bounds", Align::Left),
            ("a call", Align::Right),
            ("of the roof", Align::Right),
            ("baselines over it", Align::Left),
        ]);
        for figure in &decided.figures {
            grid.row([
                figure.timed.to_string().as_str(),
                figure.verdict.word(),
                &format!("{:.3}", figure.estimate),
                &format!("{:.3}–{:.3}, {} processes", figure.lower, figure.upper, figure.processes),
                &time(figure.kernel_seconds),
                &figure.roof_share.map_or(String::new(), |share| format!("{:.0}%", share * 100.0)),
                &beside(figure),
            ]);
        }
        page.grid(grid);
        if let Some(controls) = &decided.controls {
            let (low, high) = (controls.same.lower(0.025).exp(), controls.same.upper(0.025).exp());
            let delayed = controls.delayed.mean.exp();
            let said = format!(
                "controls: the baseline against itself {low:.3}–{high:.3}x, a delay of 5% read as {delayed:.3}x"
            );
            page.line(Line::new().toned(Tone::Dim, said).hanging(4));
        }
    }
}

/// Why a claim is not supported, in one line.
fn why(decided: &Decided) -> String {
    let one = |figure: &Figure| {
        let asked = format!("{} {}", figure.sign.text(), figure.bound);
        format!(
            "{:.3} on {}, between {:.3} and {:.3}, {asked} asked",
            figure.estimate, figure.timed, figure.lower, figure.upper
        )
    };
    match &decided.why {
        Some((check, why)) => format!("{check}: {why}"),
        None => decided.figures.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

/// A suite of the claims, none where there are none.
pub(crate) fn junit(claims: &[Claimed]) -> String {
    if claims.is_empty() {
        return String::new();
    }
    let count = |verdict| claims.iter().filter(|(_, decided)| decided.verdict == verdict).count();
    let (failed, open) = (count(Verdict::Refuted), count(Verdict::Inconclusive));
    let mut text = format!(
        "  <testsuite name=\"claims\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{open}\">\n",
        claims.len()
    );
    for (kernel, decided) in claims {
        let (name, why) = (xml(&format!("{}: {}", decided.id, decided.grammar)), xml(&why(decided)));
        let inside = match decided.verdict {
            Verdict::Supported => String::new(),
            Verdict::Refuted => format!("<failure message=\"{why}\"/>"),
            Verdict::Inconclusive => format!("<skipped message=\"{why}\"/>"),
        };
        text += &format!("    <testcase classname=\"{}\" name=\"{name}\">{inside}</testcase>\n", xml(kernel));
    }
    text + "  </testsuite>\n"
}

/// A claim that doesn't hold.
pub(crate) fn sarif((kernel, decided): &Claimed, manifest: &str) -> Option<Value> {
    let level = match decided.verdict {
        Verdict::Supported => return None,
        Verdict::Refuted => "error",
        Verdict::Inconclusive => "warning",
    };
    let text = format!("{kernel}: claim `{}` is {}: {}", decided.id, decided.verdict.word(), why(decided));
    Some(json!({
        "ruleId": "claim",
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": manifest } } }],
    }))
}

pub(crate) fn json(claims: &[Claimed]) -> Value {
    let value = |x: f64| if x.is_finite() { json!(x) } else { Value::Null };
    let figure = |figure: &Figure| {
        let baseline = |(name, ratio, low, high): &(String, f64, f64, f64)| json!({ "baseline": name, "ratio": value(*ratio), "low": value(*low), "high": value(*high) });
        json!({
            "shape": figure.timed.to_string(),
            "asked": format!("{} {}", figure.sign.text(), figure.bound),
            "verdict": figure.verdict.word(),
            "figure": value(figure.estimate),
            "low": value(figure.lower),
            "high": value(figure.upper),
            "processes": figure.processes,
            "samples": figure.logs.iter().map(|log| value(log.exp())).collect::<Vec<_>>(),
            "kernel_seconds": value(figure.kernel_seconds),
            "roof_share": figure.roof_share,
            "baselines": figure.baselines.iter().map(baseline).collect::<Vec<_>>(),
            "best_baseline": best(figure).map(|one| one.0.clone()),
            "trick": figure.trick.as_ref().map(ToString::to_string),
        })
    };
    let claim = |(kernel, decided): &Claimed| {
        json!({
            "kernel": kernel,
            "id": decided.id,
            "text": decided.text,
            "grammar": decided.grammar,
            "verdict": decided.verdict.word(),
            "threads": decided.threads,
            "cache": if decided.cold { "cold" } else { "warm" },
            "secret": { "committed": hex::encode(&decided.secret.commitment()), "revealed": decided.secret.reveal() },
            "check": decided.why.as_ref().map(|(check, _)| *check),
            "why": decided.why.as_ref().map(|(_, why)| why.clone()),
            "figures": decided.figures.iter().map(figure).collect::<Vec<_>>(),
            "controls": decided.controls.as_ref().map(|controls| json!({
                "same": { "low": value(controls.same.lower(0.025).exp()), "high": value(controls.same.upper(0.025).exp()) },
                "delayed": value(controls.delayed.mean.exp()),
                "sound": controls.unsound.is_none(),
            })),
        })
    };
    Value::Array(claims.iter().map(claim).collect())
}
