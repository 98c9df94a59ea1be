//! Threads that stay: they spin for a while after each piece of work, then park.
//!
//! Which thread runs which task is left to chance, so tasks must not depend on it; every kernel keeps to that.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Threads worth using: what affinity and the control group's quota leave to this process.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How often an idle worker looks for work before it parks: a fraction of a millisecond.
const SPINS: u32 = 10_000;

/// The gate's bits: how many workers are inside, whether more may come in, and a number for each piece of work.
const INSIDE: u64 = (1 << 16) - 1;
const OPEN: u64 = 1 << 16;
const NEXT: u64 = 1 << 17;

#[derive(Clone, Copy)]
struct Job {
    body: *const (dyn Fn(usize) + Sync),
    tasks: usize,
}

struct Shared {
    gate: AtomicU64,
    next: AtomicUsize,
    job: UnsafeCell<Option<Job>>,
    stop: AtomicBool,
    asleep: Vec<AtomicBool>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `job` is written only while the gate is closed and nobody is inside, and read only from inside; the body it
// points to is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above; nothing in it belongs to one thread.
unsafe impl Send for Shared {}

pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    busy: Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// A pool of that many threads, the caller's own included; at least one, at most 1024. Where the system refuses a
    /// thread, the pool is smaller: see [`Pool::threads`].
    pub fn new(threads: usize) -> Pool {
        let extra = threads.clamp(1, 1024) - 1;
        let shared = Arc::new(Shared {
            gate: AtomicU64::new(0),
            next: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            stop: AtomicBool::new(false),
            asleep: (0..extra).map(|_| AtomicBool::new(false)).collect(),
            panic: Mutex::new(None),
        });
        let spawn = |index| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("kernel-{index}")).spawn(move || shared.serve(index)).ok()
        };
        let workers = (0..extra).map_while(spawn).collect();
        Pool { shared, workers, busy: Mutex::new(()) }
    }

    /// Threads that work, the caller's own included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `body` for every task below `tasks` and returns when all are done. A panic in a task is raised here, after
    /// the tasks that had begun. A call from within a task, or while another thread uses the pool, runs on its own
    /// thread alone.
    pub fn run(&self, tasks: usize, body: impl Fn(usize) + Sync) {
        let guard = match self.busy.try_lock() {
            Ok(guard) => guard,
            Err(std::sync::TryLockError::Poisoned(guard)) => guard.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return (0..tasks).for_each(body),
        };
        if self.workers.is_empty() || tasks <= 1 {
            drop(guard);
            return (0..tasks).for_each(body);
        }
        let shared = &*self.shared;
        let body: &(dyn Fn(usize) + Sync) = &body;
        // SAFETY: only the lifetime changes. Workers use the pointer between entering and leaving the gate, and this
        // function doesn't return before the gate is closed and all have left.
        let body = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(body) };
        let job = Job { body, tasks };
        // SAFETY: `busy` is held, the gate is closed and nobody is inside.
        unsafe { *shared.job.get() = Some(job) };
        shared.next.store(0, SeqCst);
        let round = (shared.gate.load(SeqCst) & !(INSIDE | OPEN)).wrapping_add(NEXT);
        shared.gate.store(round | OPEN, SeqCst);
        for (worker, asleep) in self.workers.iter().zip(&shared.asleep) {
            if asleep.load(SeqCst) {
                worker.thread().unpark();
            }
        }
        shared.work(job);
        shared.gate.fetch_and(!OPEN, SeqCst);
        let mut spins = 0u32;
        while shared.gate.load(SeqCst) & INSIDE != 0 {
            spins += 1;
            if spins < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        let panic = lock(&shared.panic).take();
        drop(guard);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Runs `body` for every chunk of `size` values (the last may be shorter), each handed to one task. An empty chunk
    /// size means one chunk.
    pub fn chunks_mut<T: Send>(&self, data: &mut [T], size: usize, body: impl Fn(usize, &mut [T]) + Sync) {
        let size = if size == 0 { data.len().max(1) } else { size };
        let (len, shared) = (data.len(), Disjoint::new(data));
        self.run(len.div_ceil(size), |i| {
            let start = i * size;
            // SAFETY: each task has an index of its own, so the ranges don't overlap; they end within the slice.
            body(i, unsafe { shared.range(start, size.min(len - start)) });
        });
    }
}

impl Shared {
    fn work(&self, job: Job) {
        loop {
            let task = self.next.fetch_add(1, SeqCst);
            if task >= job.tasks {
                return;
            }
            // SAFETY: whoever works is inside the gate (or opened it), so the body is still there.
            let body = unsafe { &*job.body };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(task))) {
                self.next.store(job.tasks, SeqCst);
                lock(&self.panic).get_or_insert(panic);
                return;
            }
        }
    }

    fn serve(&self, index: usize) {
        let mut seen = 0;
        let mut spins = 0u32;
        while !self.stop.load(SeqCst) {
            let gate = self.gate.load(SeqCst);
            if gate & OPEN != 0 && gate / NEXT != seen {
                if self.gate.compare_exchange(gate, gate + 1, SeqCst, SeqCst).is_ok() {
                    seen = gate / NEXT;
                    // SAFETY: inside the gate, the job is set and not written.
                    if let Some(job) = unsafe { *self.job.get() } {
                        self.work(job);
                    }
                    self.gate.fetch_sub(1, SeqCst);
                    spins = 0;
                }
                continue;
            }
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
                continue;
            }
            self.asleep[index].store(true, SeqCst);
            let gate = self.gate.load(SeqCst);
            if (gate & OPEN == 0 || gate / NEXT == seen) && !self.stop.load(SeqCst) {
                std::thread::park();
            }
            self.asleep[index].store(false, SeqCst);
            spins = 0;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches its tasks' panics, so it ends well.
            let _ = worker.join();
        }
    }
}

/// A slice that tasks write to, each in ranges of its own.
pub(crate) struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: it hands out ranges that its users promise not to overlap, so sharing it is sharing parts of a `&mut [T]`.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Disjoint { start: slice.as_mut_ptr(), len: slice.len(), lifetime: std::marker::PhantomData }
    }

    /// # Safety
    /// No two ranges that are in use at a time may overlap.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn range(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start, "invariant: ranges stay within the slice");
        // SAFETY: within the slice by the line above, not shared by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn every_task_runs_once_for_any_number_of_threads() {
        for threads in [0, 1, 2, 3, 8] {
            let pool = Pool::new(threads);
            for tasks in [0, 1, 2, 7, 100, 1000] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, |i| {
                    counts[i].fetch_add(1, Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Relaxed) == 1), "{threads} threads, {tasks} tasks");
            }
        }
    }

    #[test]
    fn workers_wake_after_parking() {
        let pool = Pool::new(3);
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(3));
            let sum = AtomicUsize::new(0);
            pool.run(50, |i| {
                sum.fetch_add(i, Relaxed);
            });
            assert_eq!(sum.load(Relaxed), 1225);
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(4);
        for _ in 0..50 {
            let caught = catch_unwind(AssertUnwindSafe(|| pool.run(64, |i| assert!(i != 13, "thirteen"))));
            assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "thirteen");
            let done = AtomicUsize::new(0);
            pool.run(64, |_| {
                done.fetch_add(1, Relaxed);
            });
            assert_eq!(done.load(Relaxed), 64);
        }
    }

    #[test]
    fn nested_and_concurrent_calls_finish() {
        let pool = Pool::new(3);
        let total = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        pool.run(4, |_| {
                            pool.run(4, |_| {
                                total.fetch_add(1, Relaxed);
                            })
                        });
                    }
                });
            }
        });
        assert_eq!(total.load(Relaxed), 3 * 50 * 16);
    }

    #[test]
    fn chunks_cover_the_slice() {
        let pool = Pool::new(3);
        for len in [0usize, 1, 5, 16, 100] {
            for size in [0usize, 1, 3, 16, 200] {
                let mut data = vec![0usize; len];
                pool.chunks_mut(&mut data, size, |i, chunk| chunk.fill(i + 1));
                let expected: Vec<usize> = (0..len).map(|i| if size == 0 { 1 } else { i / size + 1 }).collect();
                assert_eq!(data, expected);
            }
        }
    }
}
