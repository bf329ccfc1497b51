// Locks that clang checks (-Wthread-safety): a field names the mutex that guards it, a function
// the one it needs, and a use without it does not compile. Other compilers see plain locks.
#pragma once

#include <mutex>
#include <shared_mutex>

#ifdef __clang__
#define MH_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define MH_THREAD_SAFETY(attribute)
#endif

// A field read and written only under the mutex.
#define MH_GUARDED_BY(mutex) MH_THREAD_SAFETY(guarded_by(mutex))
// A function called only under the mutex; for a SharedMutex, with it shared or alone.
#define MH_REQUIRES(mutex) MH_THREAD_SAFETY(requires_capability(mutex))
#define MH_REQUIRES_SHARED(mutex) MH_THREAD_SAFETY(requires_shared_capability(mutex))

namespace meterhub::base {

class MH_THREAD_SAFETY(capability("mutex")) Mutex {
 public:
  void lock() MH_THREAD_SAFETY(acquire_capability()) { mutex_.lock(); }
  void unlock() MH_THREAD_SAFETY(release_capability()) { mutex_.unlock(); }
  // Tells the check what it cannot see: a caller, or an object of its own, holds the mutex.
  void held() const MH_THREAD_SAFETY(assert_capability()) {}

 private:
  friend class Lock;
  std::mutex mutex_;
};

// Holds the mutex to the end of its scope; may let go of it in between.
class MH_THREAD_SAFETY(scoped_lockable) Lock {
 public:
  explicit Lock(Mutex& mutex) MH_THREAD_SAFETY(acquire_capability(mutex)) : lock_(mutex.mutex_) {}
  ~Lock() MH_THREAD_SAFETY(release_capability()) = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void lock() MH_THREAD_SAFETY(acquire_capability()) { lock_.lock(); }
  void unlock() MH_THREAD_SAFETY(release_capability()) { lock_.unlock(); }
  // For a condition variable, which lets go while it waits and holds again when it returns.
  std::unique_lock<std::mutex>& native() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

class MH_THREAD_SAFETY(capability("mutex")) SharedMutex {
 public:
  void lock() MH_THREAD_SAFETY(acquire_capability()) { mutex_.lock(); }
  void unlock() MH_THREAD_SAFETY(release_capability()) { mutex_.unlock(); }
  void lock_shared() MH_THREAD_SAFETY(acquire_shared_capability()) { mutex_.lock_shared(); }
  void unlock_shared() MH_THREAD_SAFETY(release_shared_capability()) { mutex_.unlock_shared(); }
  void held_shared() const MH_THREAD_SAFETY(assert_shared_capability()) {}

 private:
  std::shared_mutex mutex_;
};

// Writers.
class MH_THREAD_SAFETY(scoped_lockable) ExclusiveLock {
 public:
  explicit ExclusiveLock(SharedMutex& mutex) MH_THREAD_SAFETY(acquire_capability(mutex)) : mutex_(mutex) { mutex.lock(); }
  ~ExclusiveLock() MH_THREAD_SAFETY(release_capability()) { mutex_.unlock(); }
  ExclusiveLock(const ExclusiveLock&) = delete;
  ExclusiveLock& operator=(const ExclusiveLock&) = delete;

 private:
  SharedMutex& mutex_;
};

// Readers.
class MH_THREAD_SAFETY(scoped_lockable) SharedLock {
 public:
  explicit SharedLock(SharedMutex& mutex) MH_THREAD_SAFETY(acquire_shared_capability(mutex)) : mutex_(mutex) {
    mutex.lock_shared();
  }
  ~SharedLock() MH_THREAD_SAFETY(release_generic_capability()) { mutex_.unlock_shared(); }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;

 private:
  SharedMutex& mutex_;
};

}  // namespace meterhub::base
