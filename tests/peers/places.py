"""Where a guest under load (tests/live/load.c) is stopped: functions by the part of the kernel they
belong to, each at its entry or at a random row of its line table."""
import re

import rig
import truth
from files import functions_named, section_index

# What the load's system calls are.
CALLS = ("read|write|pread64|pwrite64|openat|close|newfstat(at)?|newstat|stat|newuname|times|getrusage|getrlimit|"
         "prlimit64|sched_yield|sched_getaffinity|dup2|access|mmap|munmap|mprotect|madvise|fsync|ftruncate|"
         "rename|unlink|getdents64|poll|epoll_wait|clock_nanosleep|nanosleep|rt_sigaction|rt_sigreturn|"
         "rt_sigprocmask|kill|tgkill|execve|exit_group|wait4|pause|ioctl|fadvise64|lseek|brk|clone")
PARTS = {
    "kvm": r"(kvm_(io_bus|vcpu_|arch_vcpu_|fast_pio|emulate|pic_|pit_|cpu_|skip|set_(irq|rflags|cr)|"
           r"get_(rflags|dr|cr|cs)|apic|lapic|mmu_(load|page_fault)|handle|inject|load_guest|put_guest|"
           r"complete|io_)|__kvm_|complete_emul|x86_(emulate|decode)|emulator_|vcpu_|svm_|apic_|pit_|picdev)",
    "block": r"(blk_mq_(submit|get|start|dispatch|try|request|flush|run|complete|end|free|rq|sched|init)|"
             r"__blk_mq|blk_(account|attempt|finish|start|add|cgroup)|bio_(alloc|init|endio|put|associate|"
             r"iov|free|add|release)|submit_bio|__submit_bio|nvme_(queue|setup|pci|irq|poll|map|unmap|prep|"
             r"complete|commit)|blkdev_(direct|read|write|submit|bio)|__blkdev|filemap_|generic_(file|perform)|"
             r"block_(write|read)|end_bio|submit_bh|mpage_)",
    "timers": r"(__?hrtimer_|hrtimer_|tick_|timerqueue_|run_(posix|timer|local)|update_process_times|timerfd_|"
              r"posix_timer|common_timer|it_real_fn|call_timer_fn|enqueue_hrtimer|remove_hrtimer|ktime_get|"
              r"clockevents_|scheduler_tick|sched_tick|do_nanosleep|lapic_next|process_timeout|add_timer|mod_timer)",
    "faults": r"(exc_page_fault|__?do_user_addr_fault|do_user_addr_fault|(__)?handle_mm_fault|do_anonymous_page|"
              r"do_wp_page|wp_page_copy|do_fault|do_cow_fault|filemap_map_pages|filemap_fault|shmem_fault|"
              r"(__)?alloc_pages|get_page_from_freelist|unmap_|zap_|vm_normal|mmap_region|do_mmap|__?vma_|"
              r"do_munmap|split_vma|anon_vma_|page_add_|lru_|free_unref|change_prot|tlb_|flush_tlb)",
    "forks": r"(do_exit|exit_(mm|files|notify|signals|sem|fs)|do_group_exit|release_task|do_wait|kernel_wait4|"
             r"wait_consider|copy_(process|page_range|fs|files|thread)|kernel_clone|_do_fork|dup_mm|dup_task|"
             r"begin_new_exec|load_elf_binary|bprm_|setup_arg|mmput|exit_mmap|wake_up_new_task|ret_from_fork|"
             r"free_pgtables|put_task|__put_task|do_execveat|task_work_)",
    "calls": rf"(entry_SYSCALL_64|do_syscall_64|syscall_(enter|exit|trace)\w*|exit_to_user_mode\w*|"
             rf"__x64_sys_({CALLS}))$",
    "interrupts": r"((asm_)?(sysvec_)?(apic_timer_interrupt|reschedule_ipi|call_function\w*)$|(asm_)?common_interrupt|"
                  r"__common_interrupt|__sysvec_|irq_(enter|exit)|__irq_|__do_softirq|__softirq|raise_softirq|"
                  r"handle_(edge|irq|level)|__handle_irq|nvme_irq|serial8250_(interrupt|handle)|rcu_core|"
                  r"rcu_sched_clock|tasklet_|irqentry_|error_entry|ack_apic|apic_ack|handle_softirqs)",
    "signals": r"(get_signal|(__)?send_signal|do_send|complete_signal|dequeue_signal|setup_rt_frame|x64_setup|"
               r"restore_sig|arch_do_signal|handle_signal|group_send|kill_|do_tkill|sigqueue|signal_wake)",
    "files": r"(pipe_|unix_stream|sock_|eventfd_|ep_|do_epoll|do_sys_poll|vfs_|ksys_|new_sync|path_|link_path|"
             r"lookup_|walk_component|do_(sys_open|filp_open|dentry_open|unlink|rename)|dput|d_alloc|__d_|"
             r"shmem_|ramfs_|simple_|seq_|show_|proc_|fput|__fput|alloc_(file|inode|empty)|iput|evict)",
    "scheduler": r"(schedule|__schedule|try_to_wake_up|ttwu_|(en|de)queue_(task|entity)|pick_next|update_(curr|"
                 r"load|rq)|finish_task_switch|switch_mm|__switch_to|select_task|wake_up_|__wake_up|"
                 r"worker_thread|process_one_work|default_idle|do_idle|load_balance|prepare_to_wait|finish_wait)",
}


class Places:
    """Draws functions; one that was hit, or waited for in vain, is not drawn again."""

    def __init__(self, g, slide, etext):
        self.parts = {p: [] for p in PARTS}
        found = [(n, a + slide, z) for n, a, z in functions_named(rig.vmlinux(g.kernel)) if a + slide < etext]
        for module in ("kvm", "kvm_amd"):
            text = dict(truth.sections(g, module)).get(".text")
            ko = rig.module_debug(g.kernel, module.replace("_", "[-_]"))
            if text and ko:
                found += [(n, a + int(text, 16), z) for n, a, z in functions_named(ko, section_index(ko, ".text"))]
        # The copy of a function's unlikely part is not run.
        found = sorted({f for f in found if ".cold" not in f[0]})
        for part, pattern in PARTS.items():
            self.parts[part] = [f for f in found if re.match(pattern, f[0])]

    def draw(self, r, count):
        """[(part, name, address, size)] of one part."""
        left = [p for p in self.parts if self.parts[p]]
        part = r.choice(left)
        chosen = r.sample(self.parts[part], min(count, len(self.parts[part])))
        return [(part, *f) for f in chosen]

    def drop(self, functions):
        for part, *f in functions:
            if tuple(f) in self.parts[part]:
                self.parts[part].remove(tuple(f))
