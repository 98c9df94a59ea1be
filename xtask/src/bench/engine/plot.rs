//! Lines over a logarithmic axis, as SVG that reads on light and dark pages.

use std::fmt::Write;

pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

pub(super) struct Plot {
    pub(super) title: String,
    pub(super) across: String,
    pub(super) up: String,
    pub(super) lines: Vec<Line>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 180.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// Told apart by people who see colours differently (Okabe and Ito).
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#e69f00", "#009e73", "#cc79a7"];

impl Plot {
    /// None where no line has two points.
    pub(super) fn svg(&self) -> Option<String> {
        let lines: Vec<&Line> = self.lines.iter().filter(|line| line.points.len() > 1).collect();
        let points = || lines.iter().flat_map(|line| &line.points);
        let (least, most) = points().fold((f64::INFINITY, 0.0f64), |(l, m), (x, _)| (l.min(*x), m.max(*x)));
        let step = step(points().fold(0.0f64, |top, (_, y)| top.max(*y)));
        let top = (points().fold(0.0f64, |top, (_, y)| top.max(*y)) / step).ceil() * step;
        if lines.is_empty() || least >= most || least <= 0.0 || top <= 0.0 {
            return None;
        }
        let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value / least).ln() / (most / least).ln();
        let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">{}</text>\n",
            escaped(&self.title)
        );
        let mut value = 0.0;
        while value <= top + step / 2.0 {
            let at = y(value);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0
            );
            value += step;
        }
        let mut marks: Vec<f64> = points().map(|(x, _)| *x).collect();
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        for mark in marks {
            let (at, foot) = (x(mark), HEIGHT - BOTTOM);
            let _ = writeln!(
                svg,
                "<path d=\"M{at:.1} {foot}v5\" stroke=\"#333\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{mark}</text>",
                foot + 18.0
            );
        }
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 10.0,
            escaped(&self.across),
            (TOP + HEIGHT - BOTTOM) / 2.0,
            escaped(&self.up)
        );
        for (number, line) in lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let at: Vec<(f64, f64)> = line.points.iter().map(|(a, b)| (x(*a), y(*b))).collect();
            let path: Vec<String> = at.iter().map(|(a, b)| format!("{a:.1} {b:.1}")).collect();
            let _ =
                writeln!(svg, "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", path.join("L"));
            for (a, b) in &at {
                let _ = writeln!(svg, "<circle cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"3\" fill=\"{colour}\"/>");
            }
            let down = TOP + 18.0 * number as f64;
            let _ = writeln!(
                svg,
                "<path d=\"M{} {down}h18\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{}\" y=\"{}\">{}</text>",
                WIDTH - RIGHT + 12.0,
                WIDTH - RIGHT + 36.0,
                down + 4.0,
                escaped(&line.name)
            );
        }
        Some(svg + "</svg>\n")
    }

    /// The same numbers for those who want them.
    pub(super) fn markdown(&self) -> String {
        let mut marks: Vec<f64> = self.lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x).collect();
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        let row = |first: &str, cells: Vec<String>| format!("| {first} | {} |\n", cells.join(" | "));
        let mut text = row(&self.across, marks.iter().map(f64::to_string).collect());
        text += &format!("|---|{}\n", "--:|".repeat(marks.len()));
        for line in &self.lines {
            let at = |mark: &f64| line.points.iter().find(|(x, _)| x == mark).map(|(_, y)| format!("{y:.1}"));
            text += &row(&line.name, marks.iter().map(|mark| at(mark).unwrap_or_default()).collect());
        }
        text
    }
}

/// A round step that gives four to ten lines up to `top`.
fn step(top: f64) -> f64 {
    let rough = (top / 8.0).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough).unwrap_or(10.0 * power)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (top, expected) in [(8.0, 1.0), (9.0, 2.0), (26.6, 5.0), (221.0, 50.0), (0.5, 0.1)] {
            assert!((step(top) - expected).abs() < 1e-12, "{top}: {}", step(top));
        }
    }

    #[test]
    fn points_lie_where_they_belong_and_names_are_escaped() {
        let line = |name: &str, points: &[(f64, f64)]| Line { name: name.into(), points: points.to_vec() };
        let mut plot = Plot {
            title: "a < b".into(),
            across: "tokens".into(),
            up: "tok/s".into(),
            lines: vec![line("one", &[(1.0, 10.0), (4.0, 20.0), (16.0, 40.0)]), line("alone", &[(1.0, 1.0)])],
        };
        let svg = plot.svg().expect("drawn");
        // 2^0, 2^2 and 2^4 are evenly spaced over 400; of 270 up, 10 of 40 is a quarter.
        assert!(svg.contains("M60.0 242.5L260.0 175.0L460.0 40.0"), "{svg}");
        assert!(svg.contains("a &lt; b") && !svg.contains("alone"), "{svg}");
        insta::assert_snapshot!(plot.markdown(), @r"
        | tokens | 1 | 4 | 16 |
        |---|--:|--:|--:|
        | one | 10.0 | 20.0 | 40.0 |
        | alone | 1.0 |  |  |
        ");
        plot.lines.remove(0);
        assert_eq!(plot.svg(), None);
    }
}
