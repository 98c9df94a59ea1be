//! Which part of the house a file belongs to, and what that part may name: the directions of the crate's design.

/// A file's place, from its path relative to the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer<'a> {
    Main,
    Lib,
    Env,
    Error,
    Ui,
    Cli,
    View,
    Sys,
    /// Parts of the frame that only know values, variables and errors.
    Frame(&'a str),
    /// `src/NAME`: what is true, without terminals, network, git or clocks.
    Domain(&'a str),
    Kernels,
    Xtask,
    /// Integration tests, benches, fuzz targets, build scripts.
    Trial,
}

impl<'a> Layer<'a> {
    pub(crate) fn of(path: &'a str) -> Self {
        if path.ends_with("/tests.rs") && path.starts_with("src/") {
            return Layer::Trial;
        }
        let Some(inside) = path.strip_prefix("src/") else {
            return match path.split('/').next() {
                Some("kernels") => Layer::Kernels,
                Some("xtask") => Layer::Xtask,
                _ => Layer::Trial,
            };
        };
        let top = inside.split('/').next().unwrap_or(inside);
        match top.strip_suffix(".rs").unwrap_or(top) {
            "main" => Layer::Main,
            "lib" => Layer::Lib,
            "env" => Layer::Env,
            "error" => Layer::Error,
            "ui" => Layer::Ui,
            "cli" => Layer::Cli,
            "view" => Layer::View,
            "sys" => Layer::Sys,
            frame @ ("about" | "config" | "doctor") => Layer::Frame(frame),
            domain => Layer::Domain(domain),
        }
    }

    pub(crate) fn name(self) -> &'a str {
        match self {
            Layer::Main => "main",
            Layer::Lib => "lib",
            Layer::Env => "env",
            Layer::Error => "error",
            Layer::Ui => "ui",
            Layer::Cli => "cli",
            Layer::View => "view",
            Layer::Sys => "sys",
            Layer::Frame(name) | Layer::Domain(name) => name,
            Layer::Kernels => "kernels",
            Layer::Xtask => "xtask",
            Layer::Trial => "tests",
        }
    }

    pub(crate) fn is_pure(self) -> bool {
        matches!(self, Layer::Frame(_) | Layer::Domain(_) | Layer::View)
    }

    /// Where files, variables and prints of their own are nobody's business but the developer's.
    pub(crate) fn is_tooling(self) -> bool {
        matches!(self, Layer::Xtask | Layer::Trial)
    }

    /// Whether this layer may name the module `module` of the crate bizra; `inner` is the path's next word.
    pub(crate) fn may_name_module(self, module: &str, inner: &str) -> bool {
        if module == self.name() || self.is_tooling() || self == Layer::Lib {
            return true;
        }
        let is_domain = !matches!(module, "main" | "env" | "error" | "ui" | "cli" | "view" | "sys");
        match self {
            Layer::Main => matches!(module, "cli" | "env" | "error" | "ui"),
            Layer::Cli => module != "main",
            Layer::View => is_domain || matches!(module, "error" | "ui"),
            Layer::Sys => is_domain || matches!(module, "error" | "env"),
            Layer::Env => module == "error",
            Layer::Ui | Layer::Frame(_) => matches!(module, "env" | "error"),
            Layer::Error => is_domain || module == "sys",
            // A kernel's manifest is read as strictly as a plan, by the same reader.
            Layer::Domain("roadmap" | "sprint" | "entropy" | "kernel") if module == "plan" => true,
            // What both say of speed is written with the same signs, and refused at its place in the same way.
            Layer::Domain("bench" | "kernel") if module == "claims" => true,
            // A plan's refusals are places in its text, which is what error is made for.
            Layer::Domain("plan" | "roadmap" | "sprint" | "kernel") if module == "error" => true,
            Layer::Domain(_) => module == "receipts" && inner == "statement",
            Layer::Kernels => false,
            Layer::Lib | Layer::Xtask | Layer::Trial => true,
        }
    }

    pub(crate) fn directions(self) -> &'static str {
        match self {
            Layer::Main => "main may name cli, env, error and ui",
            Layer::View => "view may name domains, error and the pages of ui",
            Layer::Sys => "sys may name domains, error and env; cli joins the rest",
            Layer::Env => "env may name error",
            Layer::Ui => "ui may name env and error",
            Layer::Frame(_) => "this part of the frame may name env and error; cli joins the rest",
            Layer::Error => "error may name domains and sys",
            Layer::Kernels => "kernels may not name bizra",
            _ => {
                "a domain may name receipts::statement, roadmap, sprint, entropy may name plan, and bench, kernel claims; declare a trait and let cli join them"
            }
        }
    }
}

/// A crate from outside, and where it may be named.
pub(crate) struct Home {
    pub(crate) names: &'static [&'static str],
    pub(crate) allows: fn(layer: Layer<'_>, path: &str) -> bool,
    pub(crate) advice: &'static str,
}

pub(crate) const HOMES: &[Home] = &[
    Home {
        names: &["serde_yaml"],
        allows: |_, path| path == "src/sys/yaml.rs",
        advice: "only src/sys/yaml.rs reads YAML; take its values instead",
    },
    Home {
        names: &["indicatif", "comfy_table"],
        allows: |layer, _| layer == Layer::Ui,
        advice: "only src/ui.rs draws; hand it events or a table's cells",
    },
    Home {
        names: &["git2"],
        allows: |_, path| path.starts_with("src/sys/git") || path.starts_with("src/sys/ledger"),
        advice: "only src/sys/git and src/sys/ledger speak to git; declare a trait and implement it there",
    },
    Home {
        names: &["hf_hub", "ureq"],
        allows: |_, path| path.starts_with("src/sys/hub"),
        advice: "only src/sys/hub downloads models",
    },
    Home {
        names: &["clap", "clap_complete", "clap_mangen"],
        allows: |layer, _| matches!(layer, Layer::Cli | Layer::Frame(_)),
        advice: "only src/cli and the frame know of arguments; take values",
    },
    Home {
        names: &["ctrlc"],
        allows: |layer, _| matches!(layer, Layer::Env | Layer::Sys),
        advice: "signals reach the program through src/env.rs",
    },
    Home {
        names: &["getrandom", "rand"],
        allows: |layer, _| layer == Layer::Env,
        advice: "chance comes from Env; take bytes or a seed as an argument",
    },
    Home {
        names: &["libloading", "memmap2", "rustix"],
        allows: |layer, _| layer == Layer::Kernels,
        advice: "system calls and mappings live in kernels/, behind a safe interface",
    },
    Home {
        names: &["cudarc", "wgpu"],
        allows: |layer, _| layer == Layer::Kernels,
        advice: "GPU launches live in kernels/gpu",
    },
    Home {
        names: &["candle_core", "candle_nn", "candle_transformers", "tokenizers"],
        allows: |layer, _| matches!(layer, Layer::Domain("infer" | "embed" | "kernel")),
        advice: "candle's types stay in infer, embed and kernel; hand over numbers",
    },
    Home {
        names: &["bizra_kernels"],
        allows: |layer, _| {
            matches!(
                layer,
                Layer::Domain("infer" | "kernel") | Layer::Cli | Layer::Sys | Layer::Env | Layer::Kernels | Layer::Lib
            )
        },
        advice: "only infer, kernel, cli, sys and env use the kernels and what they know of the machine",
    },
];
