//! Status of raid.

use super::refuse;
use super::scan::Scan;
use crate::error::Result;

/// State of a raid set, corrected where the kernel's counters and health characters lag behind each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raid {
    /// Kernel's name of the raid level, such as `raid5_ls`.
    pub raid_type: Vec<u8>,
    /// One character per leg: `A` in sync, `a` alive but not in sync, `D` dead.
    pub dev_health: Vec<u8>,
    /// Sectors in sync.
    pub insync_regions: u64,
    /// Sectors to be in sync.
    pub total_regions: u64,
    /// `idle`, `frozen`, `resync`, `recover`, `check`, `repair` or `reshape`; missing on old kernels.
    pub sync_action: Option<Vec<u8>>,
    /// Mismatching sectors found by the last check.
    pub mismatch_count: u64,
    /// Offset of the data on the legs during a reshape, sectors.
    pub data_offset: u64,
}

impl Raid {
    /// Number of legs.
    pub fn dev_count(&self) -> u32 {
        // The text of a status record fits a 32-bit length.
        u32::try_from(self.dev_health.len()).unwrap_or(u32::MAX)
    }

    fn acts(&self, actions: [&str; 2]) -> bool {
        self.sync_action
            .as_ref()
            .is_some_and(|a| actions.iter().any(|w| a.eq_ignore_ascii_case(w.as_bytes())))
    }
}

/// Parses `TYPE NDEVS HEALTH INSYNC/TOTAL [ACTION MISMATCHES [DATA_OFFSET [...]]]`.
pub fn parse_raid(params: &[u8]) -> Result<Raid> {
    let fields: Vec<&[u8]> = params.split(|b| *b == b' ').collect();
    let number = |field: &[u8]| Scan(field).number();

    if fields.len() < 4 {
        return refuse("raid params: {}", params);
    }
    let Some(count) = number(fields[1]) else {
        return refuse("<#devs> raid params: {}", params);
    };
    let Some((insync, total)) = Scan(fields[3]).ratio().filter(|_| !fields[0].is_empty()) else {
        return refuse(
            "<raid_type> <#devices> <health_chars> and <sync_ratio> raid params: {}",
            params,
        );
    };
    let mut status = Raid {
        raid_type: fields[0].to_vec(),
        dev_health: fields[2].to_vec(),
        insync_regions: insync,
        total_regions: total,
        ..Raid::default()
    };
    status.dev_health.truncate(usize::try_from(count).unwrap_or(usize::MAX));

    if fields.len() >= 6 {
        let Some(mismatches) = number(fields[5]).filter(|_| !fields[4].is_empty()) else {
            return refuse("<sync_action> and <mismatch_cnt> raid params: {}", params);
        };
        status.sync_action = Some(fields[4].to_vec());
        status.mismatch_count = mismatches;
    }
    if fields.len() >= 7 {
        let Some(offset) = number(fields[6]) else {
            return refuse("<data_offset>raid params: {}", params);
        };
        status.data_offset = offset;
    }

    let syncing = status.dev_health.iter().filter(|c| **c == b'a').count();
    if syncing > 0 && syncing < status.dev_health.len() {
        // Recovery has not counted its first region yet, or has just ended: a leg out of sync means not all is.
        if status.insync_regions == status.total_regions && status.acts(["recover", "idle"]) {
            status.insync_regions = status.insync_regions.saturating_sub(1);
        }
    } else if syncing > 0 && status.acts(["resync", "idle"]) {
        // A whole set that is being synchronised has one leg it is synchronised from.
        status.dev_health[0] = b'A';
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_their_corrections() {
        for (line, want) in [
            ("raid1 2 AA 100/100", "2 AA 100/100 NULL 0 0"),
            ("raid1 2 Aa 100/100 recover 0", "2 Aa 99/100 recover 0 0"),
            ("raid1 2 Aa 100/100 IDLE 0 0", "2 Aa 99/100 IDLE 0 0"),
            ("raid1 2 Aa 100/100 resync 0 0", "2 Aa 100/100 resync 0 0"),
            ("raid1 2 Aa 100/100", "2 Aa 100/100 NULL 0 0"),
            ("raid1 2 aa 0/100 resync 0 0 -", "2 Aa 0/100 resync 0 0"),
            ("raid1 2 aa 100/100 idle 3 0 -", "2 Aa 100/100 idle 3 0"),
            ("raid5_ls 3 ADA 7/8 reshape 12 8192 -", "3 ADA 7/8 reshape 12 8192"),
            ("raid6_zr 5 AAA 7/8 check 1 0 a", "3 AAA 7/8 check 1 0"),
            ("raid1 0 AA 1/2", "0  1/2 NULL 0 0"),
        ] {
            let s = parse_raid(line.as_bytes()).expect(line);
            let action = s.sync_action.clone().unwrap_or_else(|| b"NULL".to_vec());
            let got = format!(
                "{} {} {}/{} {} {} {}",
                s.dev_count(),
                bstr::BStr::new(&s.dev_health),
                s.insync_regions,
                s.total_regions,
                bstr::BStr::new(&action),
                s.mismatch_count,
                s.data_offset
            );
            assert_eq!(got, want, "{line}");
        }
        for bad in [
            "raid1 2 AA",
            "raid1 x AA 1/2",
            "raid1 2 AA 12",
            "raid1  2 AA 1/2",
            "raid1 2 AA 1/2 idle x 0",
            "raid1 2 AA 1/2 idle 0 x",
            "",
        ] {
            assert!(parse_raid(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
