//! What else the machine did while something was measured: two looks at its counters, and the difference.
//!
//! Leaves out where the counters are read.

use std::time::Duration;

use super::result::Noise;

/// The machine's counters at one moment; none where it has no such counter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Processor time of the whole machine since it started, that of hypervisors kept apart.
    pub busy: Option<Duration>,
    pub stolen: Option<Duration>,
    pub idle: Option<Duration>,
    /// Processor time of this process and of what it started and saw end.
    pub own: Option<Duration>,
    /// How often the processor slowed down for heat, or a quota held this process back.
    pub throttled: Option<u64>,
    /// Frequency of each processor, in MHz.
    pub mhz: Vec<f64>,
}

/// Above these, a user is told.
const MUCH_STEAL: f64 = 0.01;
const MUCH_LOAD: f64 = 0.1;

/// What happened between the first look and the last; frequencies are of all looks.
pub fn between(looks: &[Look], elapsed: Duration) -> Noise {
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else { return Noise::default() };
    let passed = |counter: fn(&Look) -> Option<Duration>| Some(counter(last)?.saturating_sub(counter(first)?));
    let (busy, stolen, idle) = (passed(|l| l.busy), passed(|l| l.stolen), passed(|l| l.idle));
    let all = busy.zip(stolen).zip(idle).map(|((busy, stolen), idle)| (busy + stolen + idle).as_secs_f64());
    let steal = all.zip(stolen).filter(|(all, _)| *all > 0.0).map(|(all, stolen)| stolen.as_secs_f64() / all);
    let others = busy.zip(passed(|l| l.own)).filter(|_| !elapsed.is_zero()).map(|(busy, own)| {
        // The two are counted in steps of their own, so the difference can be below zero.
        busy.saturating_sub(own).as_secs_f64() / elapsed.as_secs_f64()
    });
    let mhz = looks.iter().flat_map(|look| look.mhz.iter().copied());
    let mhz = mhz.fold(None, |range, f| match range {
        None => Some((f, f)),
        Some((least, most)) => Some((f64::min(least, f), f64::max(most, f))),
    });
    Noise {
        steal,
        others,
        throttled: last.throttled.zip(first.throttled).map(|(last, first)| last.saturating_sub(first)),
        mhz,
    }
}

/// What a user should know of it, in sentences.
pub fn warnings(noise: &Noise) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(steal) = noise.steal.filter(|steal| *steal > MUCH_STEAL) {
        told.push(format!("a hypervisor took {:.1}% of the processor time away", steal * 100.0));
    }
    if let Some(others) = noise.others.filter(|others| *others > MUCH_LOAD) {
        told.push(format!("other processes kept {others:.1} processors busy"));
    }
    if let Some(times) = noise.throttled.filter(|times| *times > 0) {
        told.push(format!("the processor was slowed down {times} times, for heat or by a quota"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(busy: u64, stolen: u64, idle: u64, own: u64, throttled: u64, mhz: f64) -> Look {
        let seconds = |n| Some(Duration::from_secs(n));
        Look {
            busy: seconds(busy),
            stolen: seconds(stolen),
            idle: seconds(idle),
            own: seconds(own),
            throttled: Some(throttled),
            mhz: vec![mhz],
        }
    }

    #[test]
    fn the_difference_of_two_looks_is_told() {
        let looks = [
            look(100, 10, 1000, 50, 3, 2500.0),
            look(110, 12, 1005, 55, 3, 1800.0),
            look(130, 15, 1025, 70, 5, 2600.0),
        ];
        let noise = between(&looks, Duration::from_secs(30));
        // 30 busy, 5 stolen, 25 idle; 20 of the busy ones were ours.
        assert_eq!(noise.steal, Some(5.0 / 60.0));
        assert_eq!(noise.others, Some(10.0 / 30.0));
        assert_eq!((noise.throttled, noise.mhz), (Some(2), Some((1800.0, 2600.0))));
        insta::assert_snapshot!(warnings(&noise).join("\n"), @r"
        a hypervisor took 8.3% of the processor time away
        other processes kept 0.3 processors busy
        the processor was slowed down 2 times, for heat or by a quota
        ");
    }

    #[test]
    fn what_is_not_told_stays_unknown_and_what_is_little_is_not_mentioned() {
        let blind = Look { busy: None, throttled: None, mhz: vec![], ..look(0, 0, 0, 0, 0, 0.0) };
        let noise = between(&[blind.clone(), blind], Duration::from_secs(1));
        assert_eq!(noise, Noise::default());
        let calm = between(&[look(0, 0, 0, 0, 0, 1.0), look(10, 0, 10, 10, 0, 1.0)], Duration::from_secs(10));
        assert_eq!((calm.steal, calm.others, warnings(&calm).len()), (Some(0.0), Some(0.0), 0));
        assert_eq!(between(&[], Duration::ZERO), Noise::default());
    }
}
