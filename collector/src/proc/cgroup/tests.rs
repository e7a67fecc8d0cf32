//! Cgroups of both versions, as files in a folder.

use super::files::LOOK_NS;
use super::*;
use std::fs;

fn read(folders: &Folders) -> Counters {
    folders
        .open(&mut Room::make(), &Apart::default())
        .read(0, &mut Vec::new())
}

#[test]
fn v2_counters_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("app/web");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("cpu.stat"),
        "usage_usec 500\nthrottled_usec 20\n",
    )
    .unwrap();
    fs::write(folder.join("memory.current"), "1000\n").unwrap();
    fs::write(folder.join("memory.stat"), "anon 600\ninactive_file 300\n").unwrap();
    fs::write(folder.join("io.stat"), "8:0 rbytes=10 wbytes=20\n").unwrap();
    fs::write(
        folder.join("cpu.pressure"),
        "some avg10=0 avg60=0 avg300=0 total=7\n",
    )
    .unwrap();
    let hierarchy = Hierarchy {
        root: "/".to_owned(),
        mounted_at: dir.path().to_owned(),
        controllers: None,
    };
    let folders = locate("0::/app/web\n", &[hierarchy]);
    let expected = Counters {
        cpu_ns: Some(500_000),
        throttled_ns: Some(20_000),
        memory_bytes: Some(700),
        disk: Some((10, 20)),
        pressure_us: [Some(7), None, None],
    };
    assert_eq!(read(&folders), expected);
}

#[test]
fn what_may_be_dropped_is_looked_up_now_and_then() {
    let dir = tempfile::tempdir().unwrap();
    let (usage, stat) = (
        dir.path().join("memory.current"),
        dir.path().join("memory.stat"),
    );
    let set = |used: u64, inactive: u64| {
        fs::write(&usage, used.to_string()).unwrap();
        fs::write(&stat, format!("inactive_file {inactive}\n")).unwrap();
    };
    set(1000, 100);
    let folders = Folders {
        unified: Some(dir.path().to_owned()),
        ..Folders::default()
    };
    let mut files = folders.open(&mut Room::make(), &Apart::default());
    let mut at = |now_ns| files.read(now_ns, &mut Vec::new()).memory_bytes;
    assert_eq!(at(5), Some(900));
    set(2000, 700);
    assert_eq!(at(5 + LOOK_NS - 1), Some(1900));
    assert_eq!(at(5 + LOOK_NS), Some(1300));
    // Less is used than was inactive at the last look.
    set(400, 0);
    assert_eq!(at(6 + LOOK_NS), Some(0));
}

#[test]
fn v1_counters_are_read_beside_an_empty_v2_tree() {
    let dir = tempfile::tempdir().unwrap();
    let mut hierarchies = Vec::new();
    for name in ["cpu,cpuacct", "memory", "blkio"] {
        fs::create_dir_all(dir.path().join(name).join("web")).unwrap();
        hierarchies.push(Hierarchy {
            root: "/".to_owned(),
            mounted_at: dir.path().join(name),
            controllers: Some(name.split(',').map(str::to_owned).collect()),
        });
    }
    hierarchies.push(Hierarchy {
        root: "/".to_owned(),
        mounted_at: dir.path().join("v2"),
        controllers: None,
    });
    let cpu = dir.path().join("cpu,cpuacct/web");
    fs::write(cpu.join("cpuacct.usage"), "777\n").unwrap();
    fs::write(
        cpu.join("cpu.stat"),
        "nr_periods 3\nnr_throttled 1\nthrottled_time 55\n",
    )
    .unwrap();
    fs::write(
        dir.path().join("memory/web/memory.usage_in_bytes"),
        "4096\n",
    )
    .unwrap();
    fs::write(
        dir.path().join("blkio/web/blkio.throttle.io_service_bytes"),
        "8:0 Read 1\n8:0 Write 2\n",
    )
    .unwrap();
    let text = "3:cpu,cpuacct:/web\n2:memory:/web\n1:blkio:/web\n0::/\n";
    let counters = read(&locate(text, &hierarchies));
    assert_eq!(
        (counters.cpu_ns, counters.throttled_ns),
        (Some(777), Some(55))
    );
    assert_eq!(
        (counters.memory_bytes, counters.disk),
        (Some(4096), Some((1, 2)))
    );
}

#[test]
fn v1_files_that_cannot_have_changed_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let set = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let disk = "blkio.throttle.io_service_bytes";
    set("cpuacct.usage", "5");
    set("cpu.stat", "nr_periods 0\nthrottled_time 0\n");
    set(disk, "8:0 Read 1\n8:0 Write 2\n");
    let own = Some(dir.path().to_owned());
    let folders = Folders {
        cpu: own.clone(),
        cpuacct: own.clone(),
        blkio: own,
        ..Folders::default()
    };
    let mut files = folders.open(&mut Room::make(), &Apart::default());
    let mut at = |now_ns| {
        let counters = files.read(now_ns, &mut Vec::new());
        (counters.throttled_ns, counters.disk)
    };
    assert_eq!(at(0), (Some(0), Some((1, 2))));
    set("cpu.stat", "nr_periods 4\nthrottled_time 7\n");
    set(disk, "8:0 Read 10\n8:0 Write 20\n");
    // It did not run, and it had no quota.
    assert_eq!(at(LOOK_NS - 1), (Some(0), Some((1, 2))));
    set("cpuacct.usage", "6");
    assert_eq!(at(LOOK_NS - 1), (Some(0), Some((10, 20))));
    assert_eq!(at(LOOK_NS), (Some(7), Some((10, 20))));
    // With a quota every look counts.
    set("cpu.stat", "nr_periods 5\nthrottled_time 9\n");
    assert_eq!(at(LOOK_NS + 1), (Some(9), Some((10, 20))));
}

#[test]
fn the_root_is_no_cgroup_of_its_own() {
    let v2 = Hierarchy {
        root: "/".to_owned(),
        mounted_at: "/sys/fs/cgroup".into(),
        controllers: None,
    };
    assert!(locate("0::/\n", &[v2]).is_empty());
    // A container whose mount shows only its own part sees that part as its root.
    let nested = Hierarchy {
        root: "/pod".to_owned(),
        mounted_at: "/sys/fs/cgroup".into(),
        controllers: None,
    };
    assert!(locate("0::/pod\n", std::slice::from_ref(&nested)).is_empty());
    assert!(locate("0::/elsewhere\n", std::slice::from_ref(&nested)).is_empty());
    assert_eq!(
        locate("0::/pod/c\n", &[nested]).unified,
        Some("/sys/fs/cgroup/c".into())
    );
}
