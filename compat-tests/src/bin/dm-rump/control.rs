//! The control node: who may ask what, events, both protocols; and when the module stays.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use compat_tests::requests::{HEADER, Request, nr};
use compat_tests::rump::{EIO, READ_WRITE, Rump};

use super::driver::{Checked, EBUSY, EINVAL, ENXIO, Machine, Test, ask, errno, refused, same, until};

/// NetBSD's numbers.
const EPERM: i32 = 1;
const EINTR_FREE: i32 = 0;
const EEXIST: i32 = 17;

/// The tests by name.
pub(crate) const TESTS: &[(&str, Test)] = &[
    ("unprivileged requests are refused", unprivileged),
    ("waiting for an event ends with the device", event),
    ("each open of the control node is told of events by poll(2)", poll),
    ("property lists", property_lists),
    ("the module stays while devices exist", module_busy),
];

fn unprivileged(machine: &Machine<'_>) -> Checked {
    machine.make("prv", &[(0, 8, "zero", "")])?;
    let (create, remove, list, opened) = machine.rump.as_user(1000, || {
        (
            machine.ask(Request::new(nr::DEV_CREATE, HEADER).name("mine")),
            machine.remove("prv"),
            machine.ask(Request::new(nr::LIST_DEVICES, 4096)),
            // The group of root may read.
            machine.rump.open("/dev/mapper/rprv", READ_WRITE),
        )
    });
    refused("create", create, EPERM)?;
    refused("remove", remove, EPERM)?;
    errno("list", list)?;
    refused("the device's node", opened, 13)?;
    errno(
        "still there",
        machine.ask(Request::new(nr::DEV_STATUS, HEADER).name("prv")),
    )
    .map(drop)
}

fn event(machine: &Machine<'_>) -> Checked {
    machine.make("evt", &[(0, 8, "zero", "")])?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let result = machine.ask(Request::new(nr::DEV_WAIT, 4096).name("evt").event(0));
            done.store(true, Ordering::SeqCst);
            result.err().unwrap_or(EINTR_FREE)
        });
        thread::sleep(Duration::from_millis(300));
        let early = done.load(Ordering::SeqCst);
        errno("remove", machine.remove("evt"))?;
        let result = waiter.join().expect("no panic");
        same("came back without an event", early, false)?;
        // The waiter gets the device's last state, as on Linux.
        same("the answer", result, 0)
    })
}

fn poll(machine: &Machine<'_>) -> Checked {
    let open = || errno("control", machine.rump.open("/dev/mapper/control", READ_WRITE));
    let arm = |control| errno("arm", ask(control, Request::new(nr::DEV_ARM_POLL, HEADER))).map(drop);
    let (one, other) = (open()?, open()?);
    same("nothing has happened", one.poll(0), Ok(false))?;
    machine.make("poll", &[(0, 8, "zero", "")])?;
    same("a new device", (one.poll(0), other.poll(0)), (Ok(true), Ok(true)))?;
    same("one that was opened later", open()?.poll(0), Ok(false))?;
    arm(&one)?;
    same("one is armed", (one.poll(0), other.poll(0)), (Ok(false), Ok(true)))?;
    errno("no event", machine.load("poll", &[(0, 16, "zero", "")]))?;
    same("a loaded table", one.poll(0), Ok(false))?;
    // Two threads wait on the same open, one on another.
    arm(&other)?;
    let woken = AtomicU32::new(0);
    thread::scope(|scope| {
        let waiters: Vec<_> = [&one, &one, &other]
            .into_iter()
            .map(|control| {
                scope.spawn(|| {
                    let result = control.poll(60_000);
                    woken.fetch_add(1, Ordering::SeqCst);
                    result
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(200));
        let early = woken.load(Ordering::SeqCst);
        errno("resume", machine.resume("poll"))?;
        for waiter in waiters {
            same("woken", waiter.join().expect("no panic"), Ok(true))?;
        }
        same("before the event", early, 0)
    })?;
    // An event of a target.
    machine.make("leg", &[(0, 64, "error", "")])?;
    machine.make("str", &[(0, 128, "striped", "2 8 /dev/mapper/leg 0 /dev/ram6 0")])?;
    arm(&one)?;
    refused("write", machine.raw("str")?.write_at(&[1; 512], 0), EIO)?;
    until("the event of a stripe that fails", || one.poll(0) == Ok(true))
}

fn property_lists(machine: &Machine<'_>) -> Checked {
    let list = |body: &str| {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple Computer//DTD PLIST 1.0//EN\" \
                    \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n<dict>\n";
        let version = "<key>version</key><array><integer>4</integer><integer>0</integer><integer>0</integer></array>";
        machine
            .control
            .dm_plist(&format!("{head}{version}{body}\n</dict>\n</plist>\n"))
    };
    let command = |word: &str| format!("<key>command</key><string>{word}</string>");
    let named = |word: &str, name: &str| format!("{}<key>name</key><string>{name}</string>", command(word));
    let line = "<key>cmd_data</key><array><dict><key>type</key><string>linear</string><key>start</key><integer>0x0</integer>\
                <key>length</key><integer>0x10</integer><key>params</key><string>/dev/ram11 4</string></dict></array>";
    same("events", machine.control.poll(0), Ok(true))?;
    errno("armpoll", list(&command("armpoll")))?;
    same("none since it was armed", machine.control.poll(0), Ok(false))?;
    let targets = errno("targets", list(&command("targets")))?;
    same("linear is a target", targets.contains("<string>linear</string>"), true)?;
    errno("create", list(&named("create", "pl")))?;
    refused("an existing name", list(&named("create", "pl")), EBUSY)?;
    errno("reload", list(&format!("{}{line}", named("reload", "pl"))))?;
    errno("resume", list(&named("resume", "pl")))?;
    let names = errno("names", list(&command("names")))?;
    same("the name", names.contains("<string>pl</string>"), true)?;
    let table = errno(
        "table",
        list(&format!(
            "{}<key>flags</key><integer>0x10</integer>",
            named("table", "pl")
        )),
    )?;
    same("its parameters", table.contains("1:11 4"), true)?;
    // The same device in the other protocol.
    errno("status", machine.ask(Request::new(nr::DEV_STATUS, HEADER).name("pl")))?;
    refused("a missing device", list(&named("info", "nobody")), ENXIO)?;
    refused("a reload without lines", list(&named("reload", "pl")), EINVAL)?;
    refused("no dictionary", machine.control.dm_plist("<plist>"), EIO)?;
    errno("remove", list(&named("remove", "pl")))?;
    refused("removed", list(&named("remove", "pl")), ENXIO)
}

fn module_busy(machine: &Machine<'_>) -> Checked {
    machine.make("mod", &[(0, 8, "zero", "")])?;
    refused(
        "unload with a device and the control node open",
        machine.rump.unload("dm"),
        EBUSY,
    )?;
    same("still works", machine.raw("mod")?.read_at(&mut [1; 512], 0), Ok(512))
}

/// Without the control node open: refused with a device, done without.
pub(crate) fn module(rump: Rump) -> Checked {
    let open = || errno("control", rump.open("/dev/mapper/control", READ_WRITE));
    let control = open()?;
    errno(
        "create",
        ask(&control, Request::new(nr::DEV_CREATE, HEADER).name("last")),
    )?;
    drop(control);
    refused("unload with a device", rump.unload("dm"), EBUSY)?;
    let control = open()?;
    errno(
        "remove",
        ask(&control, Request::new(nr::DEV_REMOVE, HEADER).name("last")),
    )?;
    drop(control);
    errno("unload", rump.unload("dm"))?;
    refused(
        "the node without the driver",
        rump.open("/dev/mapper/control", READ_WRITE),
        ENXIO,
    )?;
    refused("unload twice", rump.unload("dm"), 2)?;
    errno("load", rump.load("dm"))?;
    refused("load twice", rump.load("dm"), EEXIST)?;
    let control = open()?;
    errno(
        "create",
        ask(&control, Request::new(nr::DEV_CREATE, HEADER).name("again")),
    )?;
    errno(
        "remove",
        ask(&control, Request::new(nr::DEV_REMOVE, HEADER).name("again")),
    )
    .map(drop)
}
