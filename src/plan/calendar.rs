//! Days of a plan: which ones are worked, and which date a numbered day falls on.

use jiff::ToSpan;
use jiff::civil::{self, Date};

use super::schema::{Calendar, Weekday};

impl Weekday {
    pub const ALL: [Weekday; 7] = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];

    pub fn of(date: Date) -> Weekday {
        let days = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
        Weekday::ALL[days % 7]
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Weekday::Monday => "Monday",
            Weekday::Tuesday => "Tuesday",
            Weekday::Wednesday => "Wednesday",
            Weekday::Thursday => "Thursday",
            Weekday::Friday => "Friday",
            Weekday::Saturday => "Saturday",
            Weekday::Sunday => "Sunday",
        }
    }
}

impl Calendar {
    pub fn works(&self, date: Date) -> bool {
        let weekday = Weekday::of(date);
        let open = self.workdays.is_empty() || self.workdays.iter().any(|w| w.value == weekday);
        open && !self.holidays.iter().any(|h| h.value == date)
    }

    /// The first day after `date` that is worked; none where no day ever is.
    pub fn next_workday(&self, date: Date) -> Option<Date> {
        self.workday(date, 1)
    }

    /// The last day before `date` that is worked.
    pub fn workday_before(&self, date: Date) -> Option<Date> {
        self.workday(date, -1)
    }

    fn workday(&self, date: Date, step: i32) -> Option<Date> {
        let mut day = date;
        for _ in 0..3660 {
            day = day.checked_add(step.days()).ok()?;
            if self.works(day) {
                return Some(day);
            }
        }
        None
    }

    /// How many days are worked from `first` to `last`, both included; none beyond a hundred years.
    pub fn count(&self, first: Date, last: Date) -> Option<u32> {
        let length = days_between(first, last)?;
        if !(0..36_525).contains(&length) {
            return None;
        }
        let mut count = 0;
        let mut day = first;
        loop {
            count += u32::from(self.works(day));
            if day == last {
                return Some(count);
            }
            day = day.checked_add(1.day()).ok()?;
        }
    }
}

/// Whole days from one date to another; negative when the second is earlier.
pub fn days_between(first: Date, last: Date) -> Option<i32> {
    first.until((civil::DateDifference::new(last)).largest(jiff::Unit::Day)).ok().map(|span| span.get_days())
}

/// The same day and month in another year, where that year has it.
pub fn in_year(date: Date, year: i16) -> Option<Date> {
    Date::new(year, date.month(), date.day()).ok()
}
