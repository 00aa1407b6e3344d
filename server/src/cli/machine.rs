//! What this machine, or this container, has to share.

use crate::config::Machine;
use std::num::NonZero;
use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

/// Reads it. Memory that cannot be read counts as none, which makes for the smallest sizes.
pub(super) fn read() -> Machine {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(memory);
    let of_machine = system.as_ref().map_or(0, System::available_memory);
    let available_bytes = container_limit(system.ok()).map_or(of_machine, |limit| limit.min(of_machine));
    let n_cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    Machine { available_bytes, n_cores }
}

/// The limit of this process's cgroup, of version 1 or 2.
fn container_limit(system: Option<System>) -> Option<u64> {
    let (mut system, own) = (system?, sysinfo::get_current_pid().ok()?);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), true, ProcessRefreshKind::nothing());
    Some(system.process(own)?.cgroup_limits()?.total_memory)
}
