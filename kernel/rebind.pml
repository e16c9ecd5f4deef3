// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model of how pages are taken away from importers, for the checker spin.
 *
 * It takes the steps of rebind, abort, faults, copies, repopulation, mmap and
 * munmap in every order that the locks allow, and judges:
 *
 *  - what is loaded, stored or copied is a pinned page or the trash page;
 *  - when a rebind returns nobody reaches the former pages, and when an import
 *    is hung up it reaches nothing but the trash page;
 *  - what the status page says between two looks at it is true;
 *  - nobody waits for ever, and everything comes to an end, faults too;
 *  - when all have gone no page is pinned.
 *
 * The functions of the kernel that a part stands for are named with it. What
 * only those see who hold a lock is one step with taking or releasing it. An
 * atomic block that has to wait lets the others go on meanwhile.
 *
 * An import has an address space, a VMA of one page and its entry. Import 0 is
 * unmapped and closed; the process of import 1 exits. Beside import 0 there is
 * import 1, or a thread that copies. The source of its copies is the mapping of
 * import 0, as none is harder: a rebind takes it away, and the fault on it
 * needs map_sem. The exporter rebinds twice and destroys the segment; or it
 * rebinds once, while the segment ends because its creator dies, perhaps after
 * an unpublish.
 *
 * Left to the kernel, and not in here: page tables and their allocation, TLBs,
 * i_mmap_rwsem, fork, mremap, and the order of memory accesses. Readers of an
 * rwsem do not overtake a writer that waits; one that does is as if the writer
 * had come later.
 *
 * "make check-model" searches it, with VMA_LOCK for kernels on which a fault
 * holds the lock of the VMA and not that of the address space, and with FEW,
 * which leaves out what makes it large, for everything to come to an end. Then
 * it takes one of the macros below, which leave out a step or move it. With
 * each of them the checker has to find an error: so the step is needed, and the
 * model would tell.
 *
 * PUT_BEFORE_ZAP               a rebind puts the former pages before the zap
 * NO_ZAP                       nothing is zapped
 * FILL_IN_MMAP                 ->mmap makes entries
 * NO_STATE_CHECK               a fault looks at state and pages before map_sem
 * COPY_WITHOUT_RECHECK         after a fault a copy goes on with its old page
 * COPY_WITHOUT_LOCK            a copy does not take map_sem
 * FAULT_UNDER_LOCK             a copy waits for its source with map_sem held
 * REPOPULATE_WITHOUT_LOCK      the work does not take map_sem
 * REPOPULATE_WITHOUT_MMAP_LOCK the work does not take the mmap lock
 * REPOPULATE_WITHOUT_MMGET     the work does not hold the address space
 * REPOPULATE_WITHOUT_LOOK      the work does not look if the window is empty
 * REPOPULATE_ABORTED           the work does not look at the import's state
 * WAIT_FOR_MMAP_LOCK           the work waits for the mmap lock
 * VMA_LOCK_LAST                the work takes the VMA lock after map_sem
 * HANG_UP_BEFORE_ZAP           an abort tells pollers before the zap
 * GENERATION_ONCE              the generation changes once, before the zap
 */

#define IMPORTS 2
#define SETS 3

/* What an entry maps: nothing, page set 1 to SETS, or the trash page. */
#define NONE 0
#define TRASH (SETS + 1)

typedef rwsem {
	byte readers;
	byte waiting;	/* writers */
	bool writer;
};

#define can_read(sem) (!sem.writer && !sem.waiting)
#define can_write(sem) (!sem.writer && !sem.readers)

inline down_read(sem)
{
	atomic {
		can_read(sem) -> sem.readers++
	}
}

inline up_read(sem)
{
	assert(sem.readers);
	sem.readers--
}

inline down_write(sem)
{
	atomic {
		if
		:: can_write(sem)
		:: else ->
			sem.waiting++;
			can_write(sem) -> sem.waiting--
		fi;
		sem.writer = true
	}
}

inline up_write(sem)
{
	assert(sem.writer);
	sem.writer = false
}

/* struct rsm_segment */
rwsem map_sem;
bool areas_lock;
byte pages = 1;			/* NONE when the segment has ended */
byte rebinds;
bool seg_ended;
bool repopulate_work;		/* queued */
bool pinned[SETS + 1];
byte copying;			/* page set between begin_ and end_access() */

/* struct rsm_import */
bool imp_ended[IMPORTS];
bool hung_up[IMPORTS];
byte files[IMPORTS];		/* references to the file */

/* The address space of an importer; its VMA, if linked; its area, if listed. */
byte mm_users[IMPORTS];
rwsem mmap_lock[IMPORTS];
bool linked[IMPORTS];
bool listed[IMPORTS];
byte entry[IMPORTS];

#ifdef VMA_LOCK
rwsem vma_lock[IMPORTS];
#define fault_lock vma_lock
#define vma_start_write(i) down_write(vma_lock[i])
#define vma_end_write(i) up_write(vma_lock[i])
#else
#define fault_lock mmap_lock
#define vma_start_write(i) skip
#define vma_end_write(i) skip
#endif

#define reaches_segment(i) (entry[i] != NONE && entry[i] != TRASH)

/* rsm_pages_put(), the last one */
inline pages_put(set)
{
	atomic {
		assert(pinned[set]);
		pinned[set] = false
	}
}

/* rsm_mmap_zap(): those VMAs that the kernel has linked, one by one */
inline zap()
{
#ifndef NO_ZAP
	entry[0] = (linked[0] -> NONE : entry[0]);
	entry[1] = (linked[1] -> NONE : entry[1])
#else
	skip
#endif
}

/* fill_window() looks at state and page set... */
inline fill_look(i, found)
{
	found = (imp_ended[i] -> TRASH : pages);
	assert(found != NONE)
}

/* ...and fill_entry() leaves an entry that is there. */
inline fill_entry(i, found)
{
	entry[i] = (entry[i] == NONE -> found : entry[i]);
	found = NONE
}

/* rsm_fault(), and before it the kernel's search for the VMA */
inline fault(i, found, failed)
{
	if
	:: atomic { can_read(fault_lock[i]) && !linked[i] -> failed = true }
	:: atomic { can_read(fault_lock[i]) && linked[i] ->
			fault_lock[i].readers++ };
#ifdef NO_STATE_CHECK
		fill_look(i, found);
		down_read(map_sem);
#else
		atomic {
			down_read(map_sem);
			fill_look(i, found)
		};
#endif
		atomic {
			fill_entry(i, found);
			up_read(map_sem);
			up_read(fault_lock[i])
		}
	fi
}

/*
 * rsm_import_mmap(), and then the kernel links the VMA. That an aborted import
 * is refused is a courtesy, which nothing depends on.
 */
inline mmap(i, found)
{
	atomic {
		down_write(mmap_lock[i]);
		vma_start_write(i);
		!areas_lock -> listed[i] = true	/* area_open() */
	};
#ifdef FILL_IN_MMAP
	atomic {
		down_read(map_sem);
		fill_look(i, found);
		fill_entry(i, found);
		up_read(map_sem)
	};
#endif
	atomic {
		linked[i] = true;
		vma_end_write(i);
		up_write(mmap_lock[i])
	}
}

/* The kernel zaps and unlinks the VMA, and calls area_close(). */
inline unmap(i)
{
	atomic {
		entry[i] = NONE;
		linked[i] = false
	};
	atomic {	/* area_close() */
		!areas_lock -> listed[i] = false
	}
}

inline munmap(i)
{
	atomic {
		down_write(mmap_lock[i]);
		vma_start_write(i)
	};
	unmap(i);
	atomic {
		vma_end_write(i);
		up_write(mmap_lock[i])
	}
}

/* The kernel takes no lock for it, as nobody has the address space any more. */
inline exit_mmap(i)
{
	mm_users[i]--;
	mm_users[i] == 0;
	unmap(i)
}

/* The last one is import_release(), which frees the trash page. */
inline fput(i)
{
	atomic {
		files[i]--;
		assert(files[i] || (entry[i] == NONE && !listed[i]))
	}
}

/* A load or store of an importer, where an entry is. */
inline access(i)
{
	assert(entry[i] == TRASH || (pinned[entry[i]] && !hung_up[i]))
}

/* The status page says what it said before, and that all is well... */
#define unchanged(i, before) \
	(!imp_ended[i] && rebinds == before && before % 2 == 0)
/* ...and so the data have to be of the segment, and of one page set. */
#define is_well(i, first) \
	(entry[i] != TRASH && (first == NONE || first == entry[i]))

/*
 * An importer. Between two looks at its status page import 0 loads twice, and
 * import 1 once. The second look is one step with the last load: a later one
 * could not find anything unchanged that this one finds changed.
 */
proctype importer(byte i)
{
	byte before, first, found;
	bool failed;

	mmap(i, found);
	before = rebinds;
	do
	:: entry[i] == NONE ->
		fault(i, found, failed);
		assert(!failed)
	:: atomic { entry[i] != NONE ->
			access(i);
			if
			:: i == 0 && first == NONE ->
				first = entry[i]
			:: else ->
				assert(!unchanged(i, before) ||
				       is_well(i, first));
				break
			fi }
	od;
	atomic {
		before = 0;
		first = NONE
	};
	if
	:: i == 0 -> munmap(i)
	:: else -> exit_mmap(i)
	fi;
	fput(i)
}

/* begin_access(): where a look at state and page set leads to */
inline begin_access(set, failed)
{
	if
	:: imp_ended[0] ->
		failed = true
	:: else ->
#ifdef COPY_WITHOUT_RECHECK
		set = (set == NONE -> pages : set);
#else
		set = pages;
#endif
		assert(set != NONE);
		copying = set
	fi
}

/* copy_all(): RSM_IMPORT_PUT by a thread of import 0 */
proctype copier()
{
	byte set, found;
	bool failed, done;

	do
	:: failed || done ->
		break
	:: else ->
#ifdef COPY_WITHOUT_LOCK
		begin_access(set, failed);
#else
		atomic {
			down_read(map_sem);
			begin_access(set, failed)
		};
#endif
#ifdef FAULT_UNDER_LOCK
		if
		:: entry[0] == NONE && !failed ->
			fault(0, found, failed)
		:: else
		fi;
#endif
		atomic {	/* copy_present() and end_access() */
			if
			:: failed
			:: else ->
				assert(pinned[set] && !hung_up[0]);
				done = (entry[0] != NONE)
			fi;
			if
			:: done -> access(0)
			:: else
			fi;
			copying = NONE;
#ifndef COPY_WITHOUT_RECHECK
			set = NONE;
#endif
#ifndef COPY_WITHOUT_LOCK
			up_read(map_sem)
#endif
		};
		if
		:: failed || done
		:: else ->	/* fault_in() */
			fault(0, found, failed)
		fi
	od;
	fput(0)
}

inline nobody_reaches_segment()
{
	assert(!reaches_segment(0) && !reaches_segment(1));
	assert(copying == NONE)
}

/* rsm_import_hang_up() */
inline hang_up()
{
	hung_up[0] = true;
	hung_up[1] = true;
	nobody_reaches_segment()
}

inline revoke()
{
	imp_ended[0] = true;	/* rsm_import_abort_all() */
	imp_ended[1] = true;
#ifdef HANG_UP_BEFORE_ZAP
	hang_up();
	zap()
#else
	zap();
	hang_up()
#endif
}

/* rsm_segment_unpublish() */
inline unpublish()
{
	down_write(map_sem);
	revoke();
	up_write(map_sem)
}

/* rsm_segment_end() */
inline segment_end(old)
{
	down_write(map_sem);
	revoke();
	atomic {
		seg_ended = true;
		old = pages;
		pages = NONE;
		up_write(map_sem)
	};
	pages_put(old);
	nobody_reaches_segment()
}

/* rsm_segment_swap(); without success the new set is to be put */
inline segment_swap(new, old)
{
	atomic {
		down_write(map_sem);
		if
		:: seg_ended ->
			old = new;
			up_write(map_sem)
		:: else ->
			rebinds++;
			old = pages;
			pages = new
		fi
	};
	if
	:: old == new
	:: else ->
#ifdef GENERATION_ONCE
		rebinds++;
#endif
#ifndef PUT_BEFORE_ZAP
		zap();
#endif
		atomic {
#ifndef GENERATION_ONCE
			rebinds++;
#endif
			up_write(map_sem)
		}
	fi
}

/* rsm_export_rebind() */
inline rebind(new, old)
{
	pinned[new] = true;
	segment_swap(new, old);
	repopulate_work = (repopulate_work || old != new);
	pages_put(old);
#ifdef PUT_BEFORE_ZAP
	zap();
#endif
	atomic {
		assert(entry[0] != old && entry[1] != old);
		assert(copying != old);
		old = NONE
	}
}

/* The exporter rebinds twice and then destroys the segment... */
proctype exporter()
{
	byte old;

	rebind(2, old);
	rebind(3, old);
	segment_end(old)
}

/* ...or rebinds once, ... */
proctype mortal_exporter()
{
	byte old;

	rebind(2, old)
}

/* ...while creator_release() ends it, perhaps after an unpublish. */
proctype creator()
{
	byte old;

	if
	:: true
	:: true ->
		unpublish()
	fi;
	segment_end(old)
}

#ifdef REPOPULATE_ABORTED
#define may_remap(i) (pages != NONE)
#else
#define may_remap(i) (!imp_ended[i])
#endif

#ifdef REPOPULATE_WITHOUT_LOCK
#define down_read_trylock(sem) true
#define trylock_undo(sem) skip
#else
#define down_read_trylock(sem) can_read(sem) -> sem.readers++
#define trylock_undo(sem) up_read(sem)
#endif

#ifdef REPOPULATE_WITHOUT_LOOK
#define is_empty(i) true
#else
#define is_empty(i) (entry[i] == NONE)
#endif

/* What to fill the window with, if it is empty */
inline look_at_window(i, found)
{
	if
	:: may_remap(i) && is_empty(i) ->
		found = pages
	:: else
	fi
}

/* remap_pfn_range() */
inline remap_window(i, found)
{
	if
	:: found != NONE ->
		assert(linked[i] && entry[i] == NONE);
		entry[i] = found;
		found = NONE
	:: else
	fi
}

#ifdef VMA_LOCK_LAST
#define vma_lock_before(i) skip
#define vma_lock_after(i) vma_start_write(i)
#else
#define vma_lock_before(i) vma_start_write(i)
#define vma_lock_after(i) skip
#endif

/* repopulate_area(): the VMA lock, and then map_sem or nothing */
inline repopulate_area(i, found)
{
	vma_lock_before(i);
	if
	:: atomic { down_read_trylock(map_sem);
			vma_lock_after(i);
			look_at_window(i, found) };
		atomic {
			remap_window(i, found);
			trylock_undo(map_sem)
		}
#ifndef REPOPULATE_WITHOUT_LOCK
	:: else ->
		vma_lock_after(i)
#endif
	fi
}

#ifdef REPOPULATE_WITHOUT_MMGET
#define mmget_not_zero(i) true
#else
#define mmget_not_zero(i) (mm_users[i] != 0)
#endif

/* area_trylock_mm(): never waits, so that areas_lock can be held */
#ifdef REPOPULATE_WITHOUT_MMAP_LOCK
#define area_trylock_mm(i) mmget_not_zero(i) -> mm_users[i]++
#define mmap_write_unlock(i) skip
#else
#ifdef WAIT_FOR_MMAP_LOCK
#define area_trylock_mm(i) \
	mmget_not_zero(i) -> mm_users[i]++; down_write(mmap_lock[i])
#else
#define area_trylock_mm(i) \
	mmget_not_zero(i) && can_write(mmap_lock[i]) && \
	!mmap_lock[i].waiting -> mm_users[i]++; mmap_lock[i].writer = true
#endif
#define mmap_write_unlock(i) up_write(mmap_lock[i])
#endif

/* rsm_repopulate() */
proctype repopulate()
{
	byte i, found;

end:
	do
	:: atomic { repopulate_work ->
			repopulate_work = false;
			!areas_lock -> areas_lock = true };
		do
		:: i == IMPORTS ->
			break
		:: else ->
			if
			:: atomic { listed[i] && area_trylock_mm(i);
					areas_lock = false };
				repopulate_area(i, found);
				atomic {
					!areas_lock -> areas_lock = true;
					vma_end_write(i);
					mmap_write_unlock(i);
					mm_users[i]--	/* mmput_async() */
				}
			:: else
			fi;
			i++
		od;
		atomic {
			i = 0;
			areas_lock = false
		}
	od
}

init
{
	atomic {
		pinned[1] = true;
		mm_users[0] = 1;
		files[0] = 1;
		run repopulate();
		run importer(0);
		if
#ifndef FEW
		:: run exporter()
#endif
		:: run mortal_exporter();
			run creator()
		fi;
		if
#ifndef FEW
		:: mm_users[1] = 1;
			files[1] = 1;
			run importer(1)
#endif
		:: files[0]++;
			run copier()
		fi
	};
	/* All but the work have ended, and that has nothing to do. */
	_nr_pr == 2 && !repopulate_work;
	assert(!pinned[1] && !pinned[2] && !pinned[3])
}
