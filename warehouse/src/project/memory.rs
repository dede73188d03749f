//! Amounts of memory: as written (`4GiB`), and what the machine has.

use std::path::Path;

/// What the process may take beyond the query engine's budget.
const BESIDE_THE_BUDGET: u64 = 512 << 20;

/// Below this DataFusion cannot sort two streams at once.
const LEAST: u64 = 64 << 20;

/// The budget unless one is set: three quarters of what the machine has beyond 512 MiB, so that the
/// process and the file cache fit beside it; at least 256 MiB.
pub(super) fn default_budget(machine: Option<u64>) -> u64 {
    let machine = machine.unwrap_or(4 << 30);
    (machine.saturating_sub(BESIDE_THE_BUDGET) / 4 * 3).max(256 << 20)
}

/// Bytes of `4GiB`, `1.5 GiB`, `512MiB`, `2GB` or `1073741824B`.
///
/// # Errors
/// What to write instead.
pub(super) fn parse(text: &str) -> Result<u64, &'static str> {
    const FORM: &str = "write a number with a unit, such as 4GiB or 512MiB";
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| FORM)?;
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return Err(FORM),
    };
    let bytes = number * factor;
    if !bytes.is_finite() || bytes > 1e15 {
        return Err("no machine has that much; write an amount such as 4GiB");
    }
    if bytes < LEAST as f64 {
        return Err("too little to run a night; give at least 64MiB");
    }
    Ok(bytes as u64)
}

/// Reads a file of the system, for [`machine`].
pub(super) fn read_file(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Bytes of memory this process can have: the machine's, or less where a container or a control
/// group sets a limit. `None` where the system does not say.
pub fn machine(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let mut limits = Vec::new();
    let meminfo = read("/proc/meminfo");
    let total = meminfo.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("MemTotal:")));
    let kib = total.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    limits.extend(kib.map(|kib| kib.saturating_mul(1024)));
    for group in control_groups(read) {
        limits.extend(read(&group).and_then(|text| text.trim().parse::<u64>().ok()));
    }
    limits.into_iter().min()
}

/// Files that hold a limit of this process's control groups, version 2 (each level) and 1.
fn control_groups(read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut files =
        vec!["/sys/fs/cgroup/memory.max".to_owned(), "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned()];
    let own = read("/proc/self/cgroup").unwrap_or_default();
    for line in own.lines() {
        if let Some(path) = line.strip_prefix("0::/") {
            let levels = Path::new(path).ancestors().filter(|level| !level.as_os_str().is_empty());
            files.extend(levels.map(|level| format!("/sys/fs/cgroup/{}/memory.max", level.display())));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_binary_and_decimal_units() {
        assert_eq!(parse("4GiB"), Ok(4 << 30));
        assert_eq!(parse("1.5 gib"), Ok(3 << 29));
        assert_eq!(parse("512MiB"), Ok(512 << 20));
        assert_eq!(parse("2GB"), Ok(2_000_000_000));
        assert_eq!(parse("134217728B"), Ok(128 << 20));
    }

    #[test]
    fn amounts_without_unit_or_sense_are_refused() {
        for text in ["", "4", "GiB", "-4GiB", "4 gigs", "1..5GiB", "10MiB", "0GiB", "1e99GiB", "99999999TiB", "nanGiB"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_container_s_limit_counts_before_the_machine_s() {
        let read = |path: &str| match path {
            "/proc/meminfo" => Some("MemTotal:       16777216 kB\nMemFree: 1 kB\n".to_owned()),
            "/proc/self/cgroup" => Some("0::/jobs/night\n".to_owned()),
            "/sys/fs/cgroup/jobs/night/memory.max" => Some("max\n".to_owned()),
            "/sys/fs/cgroup/jobs/memory.max" => Some("2147483648\n".to_owned()),
            _ => None,
        };
        assert_eq!(machine(&read), Some(2 << 30));
    }

    #[test]
    fn the_default_leaves_room_for_the_process_beside_it() {
        assert_eq!(default_budget(Some((2 << 30) + (512 << 20))), 3 << 29);
        assert_eq!(default_budget(Some(256 << 20)), 256 << 20);
        assert_eq!(default_budget(None), ((4 << 30) - (512 << 20)) / 4 * 3);
    }
}
