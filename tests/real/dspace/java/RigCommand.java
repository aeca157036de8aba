import java.security.Permission;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;

import org.dspace.app.launcher.ScriptLauncher;
import org.dspace.scripts.handler.impl.CommandLineDSpaceRunnableHandler;
import org.dspace.servicemanager.DSpaceKernelImpl;
import org.dspace.servicemanager.DSpaceKernelInit;

/**
 * One command of DSpace's own launcher in a process that goes on:  dspace COMMAND [ARGUMENT...]
 * A Hibernate session belongs to a thread, so each command has a thread of its own, and reads what is committed now.
 * Many commands end with System.exit: their thread then stops for good where it is, and the status is the answer.
 */
@SuppressWarnings({"removal", "deprecation"})
final class RigCommand extends Thread {
    private final String[] words;
    private final CompletableFuture<Integer> status = new CompletableFuture<>();

    private RigCommand(String... words) {
        super(words[0]);
        this.words = words;
        setDaemon(true);
    }

    @Override
    public void run() {
        try {
            DSpaceKernelImpl kernel = DSpaceKernelInit.getKernel(null);
            status.complete(ScriptLauncher.handleScript(words, ScriptLauncher.getConfig(kernel),
                                                        new CommandLineDSpaceRunnableHandler(), kernel));
        } catch (Throwable problem) {
            status.completeExceptionally(problem);
        }
    }

    static void run(String... words) throws Exception {
        System.setSecurityManager(Guard.OF_EXITS);
        RigCommand command = new RigCommand(words);
        command.start();
        int status = command.status.get();
        if (status != 0) {
            throw new IllegalStateException(words[0] + ": status " + status);
        }
    }

    /** Everything is allowed, but a command does not end the process. */
    private static final class Guard extends SecurityManager {
        private static final Guard OF_EXITS = new Guard();

        @Override
        public void checkExit(int code) {
            if (Thread.currentThread() instanceof RigCommand) {
                ((RigCommand) Thread.currentThread()).status.complete(code);
                while (true) {
                    LockSupport.park();
                }
            }
        }

        @Override
        public void checkPermission(Permission permission) { }

        @Override
        public void checkPermission(Permission permission, Object context) { }
    }
}
