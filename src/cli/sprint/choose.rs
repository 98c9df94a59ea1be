//! Which sprint is meant: the one that is named, else the one that is active on the day, else the only one.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::evidence::Moment;
use super::super::{Session, lint};
use crate::error::{Error, Place, Result, nearest};
use crate::plan::schema::PlanKind;
use crate::sprint::timeline::{Position, Timeline};
use crate::sys::files;
use crate::sys::git::Found;
use crate::sys::git_files::RepositoryFiles;
use crate::sys::plans::{self, Loaded};
use crate::view::sprint::Head;

#[derive(clap::Args)]
pub(in super::super) struct Which {
    /// The sprint's id or file [default: the one that is active today, else the only one]
    #[arg(long, value_name = "ID|FILE")]
    sprint: Option<String>,
}

/// A sprint, and what day it is there.
pub(in super::super) struct Chosen {
    pub loaded: Loaded,
    /// Its path from the repository's root.
    pub path: String,
    pub bytes: Vec<u8>,
    pub timeline: Timeline,
    pub zone: TimeZone,
    pub moment: Moment,
    /// The day at `moment` in the sprint's own zone.
    pub today: Date,
    /// Other sprints whose days overlap with this one's, by id.
    pub overlapping: Vec<String>,
}

impl Chosen {
    fn of(loaded: Loaded, path: String, bytes: Vec<u8>, session: &Session) -> Self {
        let zone = loaded.plan.timezone.value.get();
        let moment = Moment::in_zone(session, &zone);
        let timeline = Timeline::of(&loaded.plan);
        let today = date_of(moment.now, &zone);
        Chosen { loaded, path, bytes, timeline, zone, moment, today, overlapping: Vec::new() }
    }

    fn id(&self) -> &str {
        &self.loaded.plan.id.value.0
    }

    /// The day up to which reports count as told. Without dates all of them do.
    pub(super) fn until(&self) -> u32 {
        match self.timeline.position(self.today) {
            Position::Undated => u32::MAX,
            _ => self.timeline.day_reached(self.today).unwrap_or(0),
        }
    }

    pub(super) fn head(&self) -> Head {
        let plan = &self.loaded.plan;
        Head {
            id: plan.id.value.to_string(),
            title: plan.title.value.clone(),
            file: self.path.clone(),
            zone: plan.timezone.value.0.clone(),
            today: self.today,
            position: self.timeline.position(self.today),
            last_day: self.timeline.planned(),
            overlapping: self.overlapping.clone(),
        }
    }

    /// `flywheel (2026-01-29 to 2026-02-15)`.
    fn named(&self) -> String {
        match self.timeline.span() {
            Some((first, last)) => format!("{} ({first} to {last})", self.id()),
            None => format!("{} (no dates)", self.id()),
        }
    }
}

fn date_of(now: Timestamp, zone: &TimeZone) -> Date {
    now.to_zoned(zone.clone()).date()
}

/// The sprint that a command is about. Warns where another one has days in common with it.
pub(in super::super) fn choose(which: &Which, session: &mut Session) -> Result<Chosen> {
    let (mut sprints, broken) = all(session)?;
    let place = match &which.sprint {
        Some(wanted) => match sprints.iter().position(|s| s.id() == wanted) {
            Some(place) => place,
            None => {
                sprints.push(by_file(wanted, &sprints, broken.first(), session)?);
                sprints.len() - 1
            }
        },
        None => by_day(&sprints, broken.first())?,
    };
    let mut chosen = sprints.swap_remove(place);
    if which.sprint.is_some() {
        for error in &broken {
            session.ui.warn(format!("another sprint can't be read: {error}"));
        }
    }
    for other in sprints.iter().filter(|other| other.path != chosen.path) {
        if let Some((first, last)) = chosen.timeline.shared(&other.timeline) {
            session.ui.warn(format!("{} and {} overlap from {first} to {last}", chosen.id(), other.id()));
            chosen.overlapping.push(other.id().to_owned());
        }
    }
    chosen.overlapping.sort();
    Ok(chosen)
}

/// Every sprint of the repository, and the first fault of each that can't be read.
fn all(session: &Session) -> Result<(Vec<Chosen>, Vec<Error>)> {
    let root = session.root();
    let (mut sprints, mut broken) = (Vec::new(), Vec::new());
    if let Ok(Some(found)) = &session.setup.repository
        && found.work_dir.is_none()
    {
        for (path, bytes) in committed(found)? {
            match plans::read(path.as_ref(), &bytes) {
                Ok(loaded) if loaded.plan.bizra.value == PlanKind::Sprint => {
                    sprints.push(Chosen::of(loaded, path, bytes, session));
                }
                Ok(_) => {}
                Err(mut problems) => broken.push(problems.swap_remove(0)),
            }
        }
        return Ok((sprints, broken));
    }
    for path in plans::find_in(&root, &[plans::SPRINTS])? {
        let inside = path.strip_prefix(&root).unwrap_or(&path);
        match read(&path, inside, session) {
            Ok(sprint) if sprint.loaded.plan.bizra.value == PlanKind::Sprint => sprints.push(sprint),
            Ok(_) => {}
            Err(error) => broken.push(error),
        }
    }
    Ok((sprints, broken))
}

/// A bare repository has no files but those of its last commit.
fn committed(found: &Found) -> Result<Vec<(String, Vec<u8>)>> {
    let mut repository = RepositoryFiles::open(&found.common_dir, true)?;
    if repository.is_unborn() {
        return Ok(Vec::new());
    }
    repository.at("HEAD")?;
    let mut sprints = Vec::new();
    for name in repository.names_in(plans::SPRINTS)? {
        if (name.ends_with(".yaml") || name.ends_with(".yml"))
            && let Some(bytes) = repository.bytes(&name)?
        {
            sprints.push((name, bytes));
        }
    }
    Ok(sprints)
}

fn read(path: &Path, inside: &Path, session: &Session) -> Result<Chosen> {
    let shown = lint::shown(path, &session.env.cwd);
    let Some(bytes) = files::read_if_there(path)? else {
        return Err(Error::invalid("there is no such file")
            .at(Place::file(shown))
            .hint("check the path and its spelling"));
    };
    let loaded = plans::read(&shown, &bytes).map_err(|mut problems| problems.swap_remove(0))?;
    let path = inside.to_string_lossy().replace('\\', "/");
    Ok(Chosen::of(loaded, path, bytes, session))
}

fn by_file(wanted: &str, sprints: &[Chosen], broken: Option<&Error>, session: &Session) -> Result<Chosen> {
    let path: PathBuf = session.env.cwd.join(wanted);
    let looks_like_a_path = wanted.contains(['/', '\\']) || wanted.ends_with(".yaml") || wanted.ends_with(".yml");
    if !looks_like_a_path && !path.is_file() {
        if let Some(error) = broken {
            return Err(error.clone());
        }
        let error = Error::usage(format!("--sprint {wanted}: there is no such sprint"));
        return Err(match nearest(wanted, sprints.iter().map(Chosen::id)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None if sprints.is_empty() => error.hint("sprints stand in sprints/ and begin with `bizra: sprint/v1`"),
            None => error.hint(format!("sprints: {}", names(sprints.iter()))),
        });
    }
    let root = session.root();
    let sprint = read(&path, path.strip_prefix(&root).unwrap_or(Path::new(wanted)), session)?;
    if sprint.loaded.plan.bizra.value != PlanKind::Sprint {
        return Err(lint::no_sprint(&sprint.loaded));
    }
    Ok(sprint)
}

fn names<'a>(sprints: impl Iterator<Item = &'a Chosen>) -> String {
    sprints.map(Chosen::named).collect::<Vec<_>>().join(", ")
}

/// The place of the sprint that is active on its today, or of the only one.
fn by_day(sprints: &[Chosen], broken: Option<&Error>) -> Result<usize> {
    if let Some(error) = broken {
        return Err(error.clone());
    }
    let is_active = |place: &usize| sprints[*place].timeline.is_active(sprints[*place].today);
    let active: Vec<usize> = (0..sprints.len()).filter(is_active).collect();
    match (&active[..], sprints) {
        ([one], _) => Ok(*one),
        ([], []) => Err(Error::invalid("there is no sprint in sprints/").hint(
            "`bizra init` writes a first one, `bizra schema sprint` says what it may hold; or name one: --sprint FILE",
        )),
        ([], [_]) => Ok(0),
        ([], several) => {
            Err(Error::usage(format!("no sprint is active on {}: {}", several[0].today, names(several.iter())))
                .hint(format!("name one: --sprint {}", several[0].id())))
        }
        (several, _) => {
            let first = &sprints[several[0]];
            Err(Error::usage(format!(
                "{} sprints are active on {} and overlap: {}",
                several.len(),
                first.today,
                names(several.iter().map(|n| &sprints[*n]))
            ))
            .hint(format!("name one: --sprint {}", first.id())))
        }
    }
}
