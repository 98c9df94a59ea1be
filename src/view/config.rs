//! The settings in force.

use serde_json::{Map, Value, json};

use super::View;
use crate::config::{InForce, Origin};
use crate::ui::{Align, Grid, Page};

pub(crate) struct Settings {
    pub(crate) values: Vec<InForce>,
    pub(crate) only: Option<String>,
    /// The files that were looked for, and whether each is there.
    pub(crate) sources: Vec<(String, bool)>,
}

impl Settings {
    fn shown(&self) -> impl Iterator<Item = &InForce> {
        self.values.iter().filter(|v| self.only.as_deref().is_none_or(|key| key == v.setting.key))
    }
}

impl View for Settings {
    fn page(&self) -> Page {
        let mut page = Page::new();
        if self.only.is_some() {
            for value in self.shown() {
                page.text(value.value.as_deref().unwrap_or_default());
            }
            return page;
        }
        let mut grid = Grid::new([("setting", Align::Left), ("value", Align::Left), ("from", Align::Left)]);
        for value in self.shown() {
            grid.row([value.setting.key, value.value.as_deref().unwrap_or("-"), &value.origin.to_string()]);
        }
        page.grid(grid);
        page.blank();
        for (path, there) in &self.sources {
            page.text(format!("{} {path}", if *there { "read:     " } else { "not there:" }));
        }
        page
    }

    fn json(&self) -> Value {
        let settings: Map<String, Value> = self
            .shown()
            .map(|v| {
                let mut row = json!({ "value": v.value, "from": origin_word(&v.origin), "about": v.setting.about });
                match &v.origin {
                    Origin::File { path, line, column } => {
                        row["file"] = path.to_string_lossy().into();
                        row["line"] = (*line).into();
                        row["column"] = (*column).into();
                    }
                    Origin::Variable(name) => row["variable"] = name.as_str().into(),
                    Origin::Flag | Origin::Default => {}
                }
                (v.setting.key.to_owned(), row)
            })
            .collect();
        let files: Vec<Value> =
            self.sources.iter().map(|(path, there)| json!({ "path": path, "read": there })).collect();
        json!({ "settings": settings, "files": files })
    }
}

fn origin_word(origin: &Origin) -> &'static str {
    match origin {
        Origin::Flag => "flag",
        Origin::Variable(_) => "variable",
        Origin::File { .. } => "file",
        Origin::Default => "default",
    }
}
