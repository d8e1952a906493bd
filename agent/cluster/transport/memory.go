package transport

import (
	"sync"
	"time"
)

// memoryLife is how long a Dialer goes by what it has found out. A build ends before that;
// slipway agent lives for months, in which certificates are renewed and networks mended.
const memoryLife = 10 * time.Minute

// youngest is the age from which on a credential that pods refuse is read again: it may
// have been renewed since. One that was just read is what there is.
const youngest = 10 * time.Second

// memory keeps values by workload, for memoryLife. It may be used by several goroutines.
type memory[T any] struct {
	now func() time.Time // time.Now but in tests

	mu  sync.Mutex
	all map[string]remembered[T]
}

type remembered[T any] struct {
	value T
	at    time.Time
}

func newMemory[T any]() *memory[T] {
	return &memory[T]{now: time.Now, all: map[string]remembered[T]{}}
}

// get returns the value of a workload; the zero value where none is known any more.
func (m *memory[T]) get(key string) T {
	value, _ := m.withAge(key)
	return value
}

// withAge returns the value of a workload, and for how long it is known.
func (m *memory[T]) withAge(key string) (T, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.all[key]
	age := m.now().Sub(known.at)
	if !ok || age >= memoryLife {
		return *new(T), 0
	}
	return known.value, age
}

// old returns the value of a workload however long it is known; the zero value where there
// was none, or it was forgotten.
func (m *memory[T]) old(key string) T {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[key].value
}

func (m *memory[T]) put(key string, value T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[key] = remembered[T]{value, m.now()}
}

func (m *memory[T]) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, key)
}
