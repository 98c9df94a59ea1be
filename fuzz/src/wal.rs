//! A write-ahead log, cut and damaged: what is read was written, in order, and no damage goes untold.
//!
//! The digest of a record keeps mutations out, so the input is a recipe: four bytes say where to cut and which byte to
//! change, the rest becomes records. The input as it is goes in too.

use bizra::sys::ledger::{Record, scan};

pub fn look(bytes: &[u8]) {
    assert!(scan(bytes, 7).end <= 7 + bytes.len() as u64);
    let Some((&[cut, at, change, batch], rest)) = bytes.split_first_chunk::<4>() else { return };
    let written: Vec<Record> = rest
        .chunks(48)
        .zip(0_u64..)
        .map(|(envelope, index)| {
            let closes = index.is_multiple_of(u64::from(batch % 4) + 1);
            let checkpoint = if closes { envelope[..1].to_vec() } else { Vec::new() };
            Record { index, time: i64::from(cut), envelope: envelope.to_vec(), checkpoint }
        })
        .collect();
    let mut log = Vec::new();
    for record in &written {
        record.encode(&mut log);
    }
    let whole = log.len();
    log.truncate(whole - whole * usize::from(cut) / 1024);
    let place = log.len() * usize::from(at) / 256;
    if let Some(byte) = log.get_mut(place) {
        *byte ^= change;
    }

    let found = scan(&log, 0);
    let mut rest = written.iter();
    for (record, end) in &found.records {
        assert!(rest.any(|one| one == record), "a record that nobody wrote, or out of order");
        assert!(*end <= log.len() as u64);
    }
    let complete = found.records.len() == written.len();
    assert!(complete || log.len() < whole || found.torn.is_some() || !found.corrupt.is_empty());
    assert!(found.end == log.len() as u64 || found.torn.is_some());
}
