//! Starts child processes that cannot outlive this one, whatever ends it.
//!
//! Two lines of defence: the kernel kills a child when the *thread* that forked it ends, so all children are forked by
//! one thread that lives as long as the process; and each child holds the read end of a pipe (its standard input) and
//! ends itself at its end. Children are in process groups of their own: Ctrl-C reaches `aefm` alone, which then stops
//! them in order.

use super::child::Child;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use tokio::sync::oneshot;

/// What to start: this executable with these arguments, on these cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::platform) struct Program {
    /// Name for messages and logs.
    pub name: String,
    /// Arguments, the first a subcommand of `aefm`.
    pub args: Vec<String>,
    /// Cores to run on; empty: as this process.
    pub cores: Vec<usize>,
}

struct Order {
    program: Program,
    reply: oneshot::Sender<io::Result<std::process::Child>>,
}

/// The thread that forks.
#[derive(Clone, Debug)]
pub(in crate::platform) struct Spawner {
    orders: mpsc::Sender<Order>,
}

impl Spawner {
    /// Starts the thread. It ends, and with it every child, when the last clone of this value is gone.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(in crate::platform) fn start() -> io::Result<Self> {
        let (orders, queue) = mpsc::channel::<Order>();
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                for Order { program, reply } in queue {
                    // Nobody waits for it any more: it must not stay.
                    if let Err(Ok(mut unwanted)) = reply.send(fork(&program)) {
                        drop(unwanted.kill().and_then(|()| unwanted.wait()));
                    }
                }
            })?;
        Ok(Self { orders })
    }

    /// Starts a program.
    ///
    /// # Errors
    /// When the system refuses.
    pub(in crate::platform) async fn spawn(&self, program: Program) -> io::Result<Child> {
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("the spawner thread is gone");
        let name = program.name.clone();
        self.orders
            .send(Order { program, reply })
            .map_err(|_| gone())?;
        Child::new(name, answer.await.map_err(|_| gone())??)
    }
}

fn fork(program: &Program) -> io::Result<std::process::Child> {
    // By this link and not by its path: the file may have been replaced or removed since we started.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("aefm").args(&program.args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    die_with_thread(&mut command, &program.cores);
    command.spawn()
}

/// The command's process is killed when the thread that starts it ends, and starts on these cores (none: any).
#[expect(
    unsafe_code,
    reason = "what runs between fork and exec can only be given to std through an unsafe hook"
)]
pub(crate) fn die_with_thread(command: &mut Command, cores: &[usize]) {
    use nix::sched::{CpuSet, sched_setaffinity};
    let parent = nix::unistd::getpid();
    let mut set = CpuSet::new();
    let wanted = cores.iter().filter(|core| set.set(**core).is_ok()).count() > 0;
    let hook = move || {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        // The parent may have died before the line above, and then nothing would tell.
        if nix::unistd::getppid() != parent {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        if wanted {
            sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)?;
        }
        Ok(())
    };
    // SAFETY: the hook makes three system calls and allocates nothing, which is all that is allowed after a fork.
    unsafe { command.pre_exec(hook) };
}
