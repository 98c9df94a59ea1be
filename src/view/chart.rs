//! Small charts: a line of blocks, lines of characters for a terminal, and the same as a self-contained SVG.
//!
//! They draw numbers and know nothing of what these mean. What is not finite is a gap.

use std::fmt::Write as _;

use super::escape;
use crate::ui::clean;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A block for each value, from the lowest to the highest; values that are all equal stand in the middle.
pub(crate) fn sparkline(values: &[f64]) -> String {
    let (low, high) = range(values.iter().copied());
    let block = |value: &f64| match (value - low) / (high - low) {
        _ if !value.is_finite() => ' ',
        share if share.is_finite() => BLOCKS[(share * 7.0).round() as usize],
        _ => BLOCKS[3],
    };
    values.iter().map(block).collect()
}

/// Infinite ends where there is nothing finite.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

pub(crate) struct Series<'a> {
    pub(crate) name: &'a str,
    /// How a terminal shows it; a later series covers an earlier one.
    pub(crate) mark: char,
    /// Any colour of CSS.
    pub(crate) colour: &'a str,
    pub(crate) dashed: bool,
    /// A value for each label, or a gap.
    pub(crate) points: Vec<Option<f64>>,
}

pub(crate) struct Chart<'a> {
    pub(crate) title: String,
    pub(crate) unit: &'a str,
    /// What stands under the points.
    pub(crate) labels: Vec<String>,
    pub(crate) series: Vec<Series<'a>>,
}

impl Chart<'_> {
    /// From zero or below to the highest value.
    fn scale(&self) -> (f64, f64) {
        let (low, high) = range(self.series.iter().flat_map(|s| &s.points).filter_map(|p| *p));
        let low = if low.is_finite() { low.min(0.0) } else { 0.0 };
        (low, if high.is_finite() && high > low { high } else { low + 1.0 })
    }

    /// Lines that are at most `columns` wide, with `rows` of them for the values.
    pub(crate) fn lines(&self, columns: usize, rows: usize) -> Vec<String> {
        let rows = rows.max(2);
        let (low, high) = self.scale();
        let axis = [high, low].map(|value| number(value).chars().count()).into_iter().max().unwrap_or(1);
        let room = columns.saturating_sub(axis + 2).max(1);
        let count = self.labels.len();
        let step = (room / count.max(1)).clamp(1, 4);
        let width = (count * step).min(room);
        let mut grid = vec![vec![' '; width]; rows];
        for series in &self.series {
            for (index, value) in series.points.iter().enumerate() {
                let Some(value) = value.filter(|v| v.is_finite()) else { continue };
                let share = (value - low) / (high - low);
                let row = rows - 1 - ((share * (rows - 1) as f64).round() as usize).min(rows - 1);
                // More points than columns share them.
                let column = if count * step <= room { index * step } else { index * width / count };
                if let Some(cell) = grid.get_mut(row).and_then(|row| row.get_mut(column)) {
                    *cell = series.mark;
                }
            }
        }
        let mut lines = Vec::new();
        for (row, cells) in grid.iter().enumerate() {
            let label = if row == 0 {
                number(high)
            } else if row == rows - 1 {
                number(low)
            } else {
                String::new()
            };
            let cells: String = cells.iter().collect();
            lines.push(format!("{label:>axis$} ┤{cells}").trim_end().to_owned());
        }
        lines.push(format!("{:axis$} └{}", "", "─".repeat(width)));
        let ends = [self.labels.first(), self.labels.last()].map(|label| label.map_or("", String::as_str));
        let gap = width.saturating_sub(ends[0].chars().count() + ends[1].chars().count()).max(1);
        let line = if count > 1 { format!("{}{}{}", ends[0], " ".repeat(gap), ends[1]) } else { ends[0].to_owned() };
        lines.push(format!("{:axis$}  {}", "", clean::one_line(&line)).trim_end().to_owned());
        let legend: Vec<String> = self.series.iter().map(|s| format!("{} {}", s.mark, s.name)).collect();
        lines.push(format!("{:axis$}  {}", "", legend.join("  ")));
        lines
    }

    /// One file without links, fonts or scripts.
    pub(crate) fn svg(&self) -> String {
        let (low, high) = self.scale();
        let across = |index: usize| LEFT + (RIGHT - LEFT) * index as f64 / (self.labels.len().max(2) - 1) as f64;
        let up = |value: f64| BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low);
        let title = escape::xml(&self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n<title>{title}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"16\" fill=\"#111111\">{title}</text>\n"
        );
        for part in 0..=4 {
            let value = low + (high - low) * f64::from(part) / 4.0;
            let y = up(value);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444444\">{} {}</text>",
                LEFT - 8.0,
                y + 4.0,
                number(value),
                escape::xml(self.unit)
            );
        }
        // Labels that would touch each other are left out.
        let every = self.labels.len().div_ceil(16).max(1);
        for (index, label) in self.labels.iter().enumerate().filter(|(index, _)| index % every == 0) {
            let (x, y) = (across(index), BOTTOM + 20.0);
            let label = escape::xml(label);
            let _ =
                writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" fill=\"#444444\">{label}</text>");
        }
        for (number, series) in self.series.iter().enumerate() {
            let dashes = if series.dashed { " stroke-dasharray=\"6 4\"" } else { "" };
            let style = format!("stroke=\"{}\" stroke-width=\"2\"{dashes}", escape::xml(series.colour));
            let known: Vec<Option<(f64, f64)>> = series
                .points
                .iter()
                .enumerate()
                .map(|(index, value)| value.filter(|v| v.is_finite()).map(|value| (across(index), up(value))))
                .collect();
            for run in known.split(Option::is_none).filter(|run| !run.is_empty()) {
                let points: Vec<String> = run.iter().flatten().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
                let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" {style}/>", points.join(" "));
                if let ([Some((x, y))], false) = (run, series.dashed) {
                    let _ = writeln!(
                        svg,
                        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{}\"/>",
                        escape::xml(series.colour)
                    );
                }
            }
            let (x, y) = (LEFT + 140.0 * number as f64, HEIGHT - 14.0);
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" {style}/>\
                 <text x=\"{:.1}\" y=\"{y:.1}\" fill=\"#111111\">{}</text>",
                y - 4.0,
                x + 24.0,
                y - 4.0,
                x + 30.0,
                escape::xml(series.name)
            );
        }
        svg + "</svg>\n"
    }
}

/// The picture, and the part of it that holds the lines.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 736.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 336.0;

/// With one digit after the point where it has any.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_stand_for_values() {
        let check = |values: &[f64], line: &str| assert_eq!(sparkline(values), line, "{values:?}");
        check(&[0.0, 3.5, 7.0], "▁▅█");
        check(&[1.0, f64::NAN, 0.0], "█ ▁");
        check(&[5.0, 5.0], "▄▄");
        check(&[f64::INFINITY], " ");
        check(&[], "");
    }

    fn chart<'a>() -> Chart<'a> {
        let series = |name, mark, dashed, points: &[f64]| Series {
            name,
            mark,
            colour: "#333333",
            dashed,
            points: (0..5).map(|at| points.get(at).copied()).collect(),
        };
        Chart {
            title: "Burn-down of <a & b>".into(),
            unit: "h",
            labels: (0..5).map(|day| day.to_string()).collect(),
            series: vec![
                series("ideal", '·', true, &[8.0, 6.0, 4.0, 2.0, 0.0]),
                series("proven", '●', false, &[8.0, 8.0, f64::NAN]),
            ],
        }
    }

    #[test]
    fn lines_of_characters_keep_to_their_columns() {
        insta::assert_snapshot!(chart().lines(40, 5).join("\n"), @r"
        8 ┤●   ●
          ┤    ·
          ┤        ·
          ┤            ·
        0 ┤                ·
          └────────────────────
           0                  4
           · ideal  ● proven
        ");
        for columns in [4, 8, 20, 40] {
            for line in &chart().lines(columns, 4)[..5] {
                assert!(line.chars().count() <= columns.max(6), "{columns}: {line:?}");
            }
        }
    }

    #[test]
    fn pictures_are_closed_and_hold_no_markup_of_others() {
        let svg = chart().svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("Burn-down of &lt;a &amp; b&gt;") && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 2, "a gap ends a line: {svg}");
        let empty = Chart { title: String::new(), unit: "", labels: vec![], series: vec![] };
        assert!(!empty.svg().contains("NaN") && !empty.lines(40, 4).is_empty());
    }
}
