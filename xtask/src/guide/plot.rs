//! The loss over the steps, drawn.

use std::fmt::Write as _;

use crate::tools::Outcome;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 50.0;
const BELOW: f64 = 40.0;

/// From the trainer's `loss.csv`: step, loss, loss on the questions for tuning where it was looked at.
pub(super) fn loss(csv: &str) -> Outcome<String> {
    let mut rows: Vec<(f64, f64, Option<f64>)> = Vec::new();
    for line in csv.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |at: usize| fields.get(at).and_then(|text| text.parse().ok());
        let (step, loss) = number(0).zip(number(1)).ok_or(format!("loss.csv: `{line}` is no row"))?;
        rows.push((step, loss, number(2)));
    }
    let steps = rows.last().ok_or("loss.csv has no rows")?.0;
    let losses = || rows.iter().flat_map(|(_, loss, dev)| [Some(*loss), *dev].into_iter().flatten());
    let (least, most) = losses().fold((f64::MAX, 0f64), |(least, most), x| (least.min(x), most.max(x)));
    // Losses fall by powers, so the axis counts powers.
    let (low, high) = (least.max(1e-4).log10().floor(), most.log10().ceil());
    let x = |step: f64| LEFT + step / steps * (WIDTH - LEFT - 20.0);
    let y = |loss: f64| 20.0 + (high - loss.max(1e-4).log10()) / (high - low) * (HEIGHT - BELOW - 20.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>Loss of the model inside the binary, over its training</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let mut add = |line: String| {
        let _ = writeln!(svg, "{line}");
    };
    let mut power = low;
    while power <= high {
        let at = y(10f64.powf(power));
        add(format!("<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/>", WIDTH - 20.0));
        add(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            10f64.powf(power)
        ));
        power += 1.0;
    }
    for quarter in 0..=4 {
        let step = steps * f64::from(quarter) / 4.0;
        add(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{step:.0}</text>",
            x(step),
            HEIGHT - BELOW + 16.0
        ));
    }
    let line = |points: Vec<(f64, f64)>, colour: &str| {
        let path: Vec<String> = points.iter().map(|(step, loss)| format!("{:.1} {:.1}", x(*step), y(*loss))).collect();
        format!("<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>", path.join("L"))
    };
    add(line(rows.iter().map(|(step, loss, _)| (*step, *loss)).collect(), "#4269d0"));
    add(line(rows.iter().filter_map(|(step, _, dev)| Some((*step, (*dev)?))).collect(), "#ff725c"));
    let legend = "cross entropy of an answer's token: <tspan fill=\"#4269d0\">training</tspan>, \
                  <tspan fill=\"#ff725c\">questions for tuning</tspan>; steps";
    add(format!("<text x=\"{LEFT}\" y=\"{:.1}\">{legend}</text>", HEIGHT - 8.0));
    svg += "</svg>\n";
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_drawn_and_rows_that_are_none_refused() {
        let svg = loss("step,loss,dev,rate\n20,2.5,,0.1\n40,0.3,0.4,0.1\n60,0.02,0.05,0\n").unwrap();
        assert_eq!(svg.matches("stroke-width").count(), 2);
        assert!(svg.contains("M273.3") || svg.contains("M266.7"), "{svg}");
        assert!(loss("step,loss,dev,rate\n20;2.5\n").unwrap_err().contains("20;2.5"));
        assert!(loss("step,loss,dev,rate\n").unwrap_err().contains("no rows"));
    }
}
