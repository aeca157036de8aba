import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.dspace.core.Context;

/**
 * Edits through DSpace's own services:  rig-edit [VERB ARGUMENT...]  or  rig-edit --answer
 * Without arguments each line of standard input is one edit; words with blanks
 * stand in double quotes. Every edit is a transaction of its own. With --answer a line
 * "done" follows on standard output when an edit is committed, so that a caller can wait
 * for it and keep the process for the next one.
 *
 * The verbs stand in RigItems, RigFiles, RigContainers, RigPeople and RigRegistries;
 * "dspace COMMAND [ARGUMENT...]" runs a command of the launcher in this process (RigCommand).
 */
public class RigEdit extends RigBase {
    /** One verb: it gets the words that follow it. */
    interface Edit {
        void run(Context context, List<String> words) throws Exception;
    }

    private static final Map<String, Edit> VERBS = new TreeMap<>();

    static {
        RigItems.into(VERBS);
        RigFiles.into(VERBS);
        RigContainers.into(VERBS);
        RigPeople.into(VERBS);
        RigRegistries.into(VERBS);
        VERBS.put("dspace", (context, words) -> RigCommand.run(words.toArray(new String[0])));
    }

    public static void main(String[] arguments) throws Exception {
        boolean answer = arguments.length == 1 && arguments[0].equals("--answer");
        if (arguments.length > 0 && !answer) {
            edit(Arrays.asList(arguments));
            return;
        }
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        if (answer) {
            open().abort(); // what is made at the first use is there now
            say("done");
        }
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            List<String> words = words(line);
            if (!words.isEmpty() && !words.get(0).startsWith("#")) {
                edit(words);
                if (answer) {
                    say("done");
                }
            }
        }
    }

    static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static List<String> words(String line) {
        List<String> words = new ArrayList<>();
        Matcher matcher = Pattern.compile("\"([^\"]*)\"|(\\S+)").matcher(line);
        while (matcher.find()) {
            words.add(matcher.group(1) != null ? matcher.group(1) : matcher.group(2));
        }
        return words;
    }

    /** In a context of its own, as a request to the server has it: between edits no transaction is open. */
    private static void edit(List<String> words) throws Exception {
        Edit verb = VERBS.get(words.get(0));
        if (verb == null) {
            throw new IllegalArgumentException("no such edit: " + words.get(0) + "; there are " + VERBS.keySet());
        }
        Context context = open();
        verb.run(context, words.subList(1, words.size()));
        context.complete();
    }
}
