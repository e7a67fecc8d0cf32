//! The kernel's texts, as captured.

use super::*;
use proptest::prelude::*;

#[test]
fn a_process_name_may_hold_anything() {
    let text = "4242 (a) S (b c) S 1 4242 4242 0 -1 4194560 1200 0 3 0 250 125 0 0 20 0 5 0 987654 230000000 3000 18446744073709551615\n";
    assert_eq!(
        (stat_ticks(text), stat_start(text), stat_state(text)),
        (Some(375), Some(987_654), Some('S'))
    );
    assert_eq!(stat_ticks("4242 (x"), None);
    assert_eq!(stat_ticks("4242 (x) S 1"), None);
}

#[test]
fn keyed_numbers_are_whole_keys() {
    let status = "VmPeak:\t  230000 kB\nVmRSS:\t   12000 kB\nRssAnon:\t 8000 kB\n";
    assert_eq!(keyed_kib(status, "VmRSS"), Some(12_000 * 1024));
    assert_eq!(keyed_kib(status, "Rss"), None);
    let cpu_stat =
        "usage_usec 1000\nuser_usec 600\nnr_periods 10\nnr_throttled 3\nthrottled_usec 4500\n";
    assert_eq!(
        (
            keyed(cpu_stat, "throttled_usec"),
            keyed(cpu_stat, "nr_burst")
        ),
        (Some(4_500), None)
    );
    let io = "rchar: 5\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n";
    assert_eq!(
        (keyed(io, "read_bytes"), keyed(io, "write_bytes")),
        (Some(4096), Some(8192))
    );
}

#[test]
fn idle_and_stolen_time_is_not_busy() {
    let text = "cpu  100 5 50 9000 40 1 2 3 20 0\ncpu0 100 5 50 9000 40 1 2 3 20 0\n";
    assert_eq!(node_busy_ticks(text), Some(100 + 5 + 50 + 1 + 2));
    assert_eq!(node_busy_ticks("intr 1 2 3"), None);
}

#[test]
fn loopback_is_no_network_and_partitions_no_disks() {
    let net = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1000000    1000    0    0    0     0          0         0  1000000    1000    0    0    0     0       0          0
  eth0:    5000      50    0    0    0     0          0         0     7000      70    0    0    0     0       0          0
 ens5f1:   100       1    0    0    0     0          0         0      200       2    0    0    0     0       0          0
";
    assert_eq!(net_bytes(net, |name| name != "lo"), Some((5_100, 7_200)));
    assert_eq!(
        interface_names(net).collect::<Vec<_>>(),
        ["lo", "eth0", "ens5f1"]
    );
    let disks = "   8       0 sda 100 0 2000 5 50 0 1000 9 0 10 14 0 0 0 0\n   8       1 sda1 90 0 1900 5 50 0 1000 9 0 10 14\n";
    assert_eq!(
        disk_bytes(disks, |name| name == "sda"),
        (2_000 * 512, 1_000 * 512)
    );
}

#[test]
fn pressure_and_device_totals_are_found() {
    let text = "some avg10=0.12 avg60=0.05 avg300=0.01 total=123456\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=77\n";
    assert_eq!(pressure_some_us(text), Some(123_456));
    let io = "254:0 rbytes=4096 wbytes=100 rios=1 wios=2 dbytes=0 dios=0\n8:0 rbytes=4 wbytes=6 rios=1 wios=1 dbytes=0 dios=0\n";
    assert_eq!(io_stat_bytes(io, |_| true), (4_100, 106));
    // A logical volume on that disk.
    assert_eq!(io_stat_bytes(io, |device| device != "254:0"), (4, 6));
    let blkio = "254:0 Read 4096\n254:0 Write 100\n254:0 Sync 4000\n254:0 Total 4196\n8:0 Read 4\nTotal 4200\n";
    assert_eq!(blkio_bytes(blkio, |_| true), (4_100, 100));
    assert_eq!(blkio_bytes(blkio, |device| device == "8:0"), (4, 0));
}

#[test]
fn both_versions_of_cgroups_are_found() {
    let v1 = "9:cpu,cpuacct:/kubepods/pod1/c1\n8:memory:/kubepods/pod1/c1\n0::/\n";
    let all = memberships(v1);
    assert_eq!(
        all[0],
        Membership {
            controllers: vec!["cpu".into(), "cpuacct".into()],
            path: "/kubepods/pod1/c1".into()
        }
    );
    assert!(all[2].controllers.is_empty());
    let mounts = "30 24 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
31 24 0:27 /a\\040b /sys/fs/cgroup/unified rw,nosuid shared:5 - cgroup2 cgroup2 rw,nsdelegate
32 24 0:28 / /proc rw - proc proc rw
";
    let found = hierarchies(mounts);
    assert_eq!(found.len(), 2);
    assert!(
        found[0]
            .controllers
            .as_ref()
            .unwrap()
            .contains(&"cpuacct".to_owned())
    );
    assert_eq!(
        (found[1].root.as_str(), &found[1].controllers),
        ("/a b", &None)
    );
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_not_but_never_panics(text: String) {
        let _ = (stat_ticks(&text), stat_start(&text), stat_state(&text), keyed(&text, "a"), keyed_kib(&text, ""));
        let _ = (node_busy_ticks(&text), net_bytes(&text, |_| true), disk_bytes(&text, |_| true), pressure_some_us(&text));
        let _ = (io_stat_bytes(&text, |_| true), blkio_bytes(&text, |_| true), memberships(&text), hierarchies(&text), number(&text));
    }
}
