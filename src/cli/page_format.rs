//! `--format` of reports that people read.

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PageFormat {
    Table,
    Md,
}
