//! How measuring again came out.

use serde_json::{Value, json};

use super::View;
use super::replay::Verdict;
use crate::bench::result::Setting;
use crate::ui::{Align, Grid, Page};

pub(crate) struct Again {
    pub(crate) id: String,
    pub(crate) verdict: Verdict,
    pub(crate) figures: Vec<Figure>,
}

pub(crate) struct Figure {
    pub(crate) id: String,
    pub(crate) setting: Setting,
    pub(crate) unit: String,
    pub(crate) recorded: f64,
    pub(crate) replayed: f64,
    /// Whether the intervals overlap; none where a side has none.
    pub(crate) overlap: Option<bool>,
    pub(crate) decides: bool,
}

impl Figure {
    fn word(&self) -> &'static str {
        match self.overlap {
            Some(true) => "overlaps",
            Some(false) => "apart",
            None => "",
        }
    }
}

impl View for Again {
    fn page(&self) -> Page {
        let mut page = Page::new();
        page.text(format!("{}: receipt {}", self.verdict.word(), self.id));
        if self.figures.is_empty() {
            return page;
        }
        let mut grid = Grid::new([
            ("figure", Align::Left),
            ("under", Align::Left),
            ("recorded", Align::Right),
            ("now", Align::Right),
            ("unit", Align::Left),
            ("95% intervals", Align::Left),
        ]);
        for figure in &self.figures {
            let number = |x: f64| format!("{x:.3}");
            grid.row([
                figure.id.as_str(),
                &figure.setting.to_string(),
                &number(figure.recorded),
                &number(figure.replayed),
                &figure.unit,
                figure.word(),
            ]);
        }
        page.grid(grid);
        page
    }

    fn json(&self) -> Value {
        let figure = |figure: &Figure| {
            json!({
                "id": figure.id,
                "setting": figure.setting.to_string(),
                "unit": figure.unit,
                "recorded": figure.recorded,
                "replayed": figure.replayed,
                "overlap": figure.overlap,
                "decides": figure.decides,
            })
        };
        json!({
            "verdict": self.verdict.word(),
            "replayed": self.id,
            "figures": self.figures.iter().map(figure).collect::<Vec<_>>(),
        })
    }
}
