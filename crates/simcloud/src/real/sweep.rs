//! The folder of a simcloud's machines, and its removal after simcloud was killed.

use std::path::{Path, PathBuf};
use std::{fs, io};

use parking_lot::Mutex;

use super::{RUN, control_groups, processes, run, text};

/// Held by the one hypervisor of this process that makes or removes its folder.
static FOLDERS: Mutex<()> = Mutex::new(());

/// Makes a folder for a hypervisor of this process: a tmpfs.
pub(super) fn make_folder(number: u32) -> io::Result<PathBuf> {
    let _alone = FOLDERS.lock();
    let folder = own_folder()?.join(format!("h{number}"));
    fs::create_dir(&folder)?;
    run("mount", &["-t", "tmpfs", "-o", "mode=0755", "azlin-machines", text(&folder)?])?;
    Ok(folder)
}

/// The folder of this process. It appears together with its owner file, so that no sweep takes it for a dead
/// process's.
fn own_folder() -> io::Result<PathBuf> {
    let pid = std::process::id();
    let birth = processes::birth(pid).unwrap_or_default();
    let own = Path::new(RUN).join(pid.to_string());
    if own.exists() {
        if fs::read_to_string(own.join("owner")).is_ok_and(|found| found == birth) {
            return Ok(own);
        }
        sweep_one(pid, &own);
    }
    let new = Path::new(RUN).join(format!("new-{pid}"));
    let mut made = Ok(());
    // The last process to leave removes the folder of all, so this may need several tries.
    for _ in 0..10 {
        made = fs::create_dir_all(&new)
            .and_then(|()| fs::write(new.join("owner"), &birth))
            .and_then(|()| fs::rename(&new, &own));
        if made.is_ok() {
            break;
        }
    }
    made.map(|()| own)
}

pub(super) fn remove_folder(folder: &Path) {
    let _alone = FOLDERS.lock();
    processes::unmount(folder);
    let _ = fs::remove_dir(folder);
    let is_owner = |entry: io::Result<fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name() == "owner");
    if let Some(own) = folder.parent()
        && fs::read_dir(own).is_ok_and(|mut left| left.all(is_owner))
    {
        let _ = fs::remove_dir_all(own);
        // Fails if anything else is in it.
        let _ = fs::remove_dir(RUN);
    }
}

/// Removes what dead simclouds left behind: processes, networks, mounts and folders. Returns their process
/// ids.
///
/// # Errors
/// If the folder cannot be read.
pub fn sweep() -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(RUN) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut dead = Vec::new();
    for entry in entries {
        let own = entry?.path();
        let owner = own.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let Some(owner) = owner else { continue };
        let birth = fs::read_to_string(own.join("owner")).unwrap_or_default();
        if processes::birth(owner).is_none_or(|found| found != birth) {
            sweep_one(owner, &own);
            dead.push(owner);
        }
    }
    // Fails if anything else is in it.
    let _ = fs::remove_dir(RUN);
    Ok(dead)
}

fn sweep_one(owner: u32, own: &Path) {
    let folders = |path: &Path| -> Vec<PathBuf> {
        fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
    };
    for netns in folders(Path::new("/run/netns")) {
        if let Some(name) = netns.file_name().and_then(|name| name.to_str())
            && name.starts_with(&format!("azlin-{owner}-"))
        {
            processes::kill_all_in(name);
            let _ = run("ip", &["netns", "del", name]);
            processes::forget(name);
        }
    }
    for hypervisor in folders(own).iter().filter(|path| path.is_dir()) {
        for machine in folders(hypervisor) {
            // The link goes with its namespace, unless the namespace is still in use.
            if let Ok(link) = fs::read_to_string(machine.join("link")) {
                let _ = run("ip", &["link", "del", &link]);
            }
            control_groups::sweep(&machine);
            if machine.join("root").exists() {
                processes::unmount(&machine.join("root"));
            }
        }
        processes::unmount(hypervisor);
    }
    let _ = fs::remove_dir_all(own);
}
