//! Plots as SVG that stands in a page by itself: no scripts, no fonts, colours from the page's variables.

use std::fmt::Write as _;

use super::bench_formats::digits;
use super::escape;
use crate::bench::changes::Change;
use crate::bench::history::Series;
use crate::bench::stats::Interval;

const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 18.0;

/// Values to places: x by number, y by value with a little room above and below.
struct Frame {
    width: f64,
    height: f64,
    count: usize,
    low: f64,
    high: f64,
}

impl Frame {
    fn around(width: f64, height: f64, count: usize, values: impl Iterator<Item = f64>) -> Frame {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        // Equal values stand in the middle, and noise of a thousandth does not fill the plot.
        let room = ((high - low) * 0.08).max(high.abs() * 0.005).max(f64::MIN_POSITIVE);
        // What is never below zero has no axis there.
        let below = if low >= 0.0 { (low - room).max(0.0) } else { low - room };
        Frame { width, height, count, low: below, high: high + room }
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + (self.width - LEFT - RIGHT) * (at + 0.5) / self.count.max(1) as f64
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        self.height - BOTTOM - (self.height - TOP - BOTTOM) * share.clamp(0.0, 1.0)
    }

    fn begin(&self, label: &str) -> String {
        let (width, height, floor) = (self.width, self.height, self.height - BOTTOM);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n",
            escape::xml(label)
        );
        for tick in [self.low, (self.low + self.high) / 2.0, self.high] {
            let y = self.y(tick);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                width - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                digits(tick)
            );
        }
        let _ = writeln!(svg, "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{LEFT}\" y1=\"{TOP}\" y2=\"{floor}\"/>");
        svg
    }
}

/// Samples in the order in which they were taken, over the band of the median's interval.
pub(super) fn samples(values: &[f64], median: f64, interval: Option<Interval>, label: &str) -> String {
    let frame = Frame::around(360.0, 120.0, values.len(), values.iter().copied());
    let mut svg = frame.begin(label);
    let (from, to) = (LEFT, frame.width - RIGHT);
    if let Some(interval) = interval {
        let (top, bottom) = (frame.y(interval.high), frame.y(interval.low));
        let _ = writeln!(
            svg,
            "<rect class=\"band\" x=\"{from}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            to - from,
            (bottom - top).max(1.0)
        );
    }
    let y = frame.y(median);
    let _ = writeln!(svg, "<line class=\"median\" x1=\"{from}\" x2=\"{to:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
    for (at, value) in values.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"><title>{}: {}</title></circle>",
            frame.x(at as f64),
            frame.y(*value),
            at + 1,
            digits(*value)
        );
    }
    let _ = writeln!(svg, "<text x=\"{from}\" y=\"{:.1}\">sample 1 – {}</text>", frame.height - 4.0, values.len());
    svg + "</svg>\n"
}

/// Medians over time with their intervals, and the changes of level.
pub(super) fn history(series: &Series, label: &str) -> String {
    let bounds = series.points.iter().flat_map(|point| {
        let interval = point.interval;
        [Some(point.median), interval.map(|i| i.low), interval.map(|i| i.high)].into_iter().flatten()
    });
    let frame = Frame::around(740.0, 200.0, series.points.len(), bounds);
    let mut svg = frame.begin(label);
    for change in &series.changes {
        svg += &mark(&frame, change, series.is_gain(change));
    }
    let places: Vec<String> = series
        .points
        .iter()
        .enumerate()
        .map(|(at, point)| format!("{:.1},{:.1}", frame.x(at as f64), frame.y(point.median)))
        .collect();
    let _ = writeln!(svg, "<polyline class=\"line\" points=\"{}\"/>", places.join(" "));
    for (at, point) in series.points.iter().enumerate() {
        let x = frame.x(at as f64);
        if let Some(interval) = point.interval {
            let (high, low) = (frame.y(interval.high), frame.y(interval.low));
            let _ =
                writeln!(svg, "<line class=\"whisker\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{high:.1}\" y2=\"{low:.1}\"/>");
        }
        let class = if point.noisy { "noisy" } else { "dot" };
        let _ = writeln!(
            svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3\"><title>{}, {}: {} {}</title></circle>",
            frame.y(point.median),
            escape::xml(&point.receipt),
            day(point.time),
            digits(point.median),
            escape::xml(&series.unit)
        );
    }
    if let (Some(first), Some(last)) = (series.points.first(), series.points.last()) {
        let floor = frame.height - 4.0;
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{floor}\">{}</text><text x=\"{:.1}\" y=\"{floor}\" text-anchor=\"end\">{}</text>",
            day(first.time),
            frame.width - RIGHT,
            day(last.time)
        );
    }
    svg + "</svg>\n"
}

fn mark(frame: &Frame, change: &Change, is_gain: bool) -> String {
    let x = frame.x(change.at as f64 - 0.5);
    let class = if is_gain { "gain" } else { "loss" };
    format!(
        "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/><text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
        frame.height - BOTTOM,
        x + 3.0,
        TOP + 8.0,
        percent(change.ratio())
    )
}

/// `+5.0%`: what a ratio adds.
pub(super) fn percent(ratio: f64) -> String {
    format!("{:+.1}%", (ratio - 1.0) * 100.0)
}

pub(super) fn day(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_brings_no_speed_below_zero() {
        let frame = |values: &[f64]| Frame::around(360.0, 120.0, values.len(), values.iter().copied());
        assert_eq!(frame(&[1.0, 1.1, 400.0]).low, 0.0);
        assert!(frame(&[100.0, 101.0]).low > 99.0, "near values keep their own axis");
        assert!(!samples(&[1.0, 1.1, 400.0], 1.1, None, "decode").contains(">-"));
    }
}
