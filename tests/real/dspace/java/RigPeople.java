import java.util.Arrays;
import java.util.Map;

import org.dspace.eperson.EPerson;
import org.dspace.eperson.Group;
import org.dspace.eperson.SubscriptionParameter;

/**
 * Edits of people, groups and subscriptions (a name: {@code metadata person:EMAIL eperson.lastname NAME}):
 *
 * <pre>
 * newperson EMAIL [FIRST LAST]        delperson EMAIL
 * email OLD NEW                       netid EMAIL VALUE
 * password EMAIL TEXT                 login EMAIL true|false
 * newgroup NAME                       delgroup NAME
 * renamegroup OLD NEW                 group add|remove GROUP EMAIL
 * subgroup add|remove PARENT CHILD
 * subscribe EMAIL HANDLE D|W|M        unsubscribe EMAIL HANDLE
 * </pre>
 */
final class RigPeople extends RigBase {
    private RigPeople() { }

    /** A change of one account. */
    private interface Change {
        void of(EPerson person, String value) throws Exception;
    }

    private static RigEdit.Edit change(Change change) {
        return (context, words) -> {
            EPerson person = at(context, "person:" + words.get(0));
            change.of(person, words.get(1));
            people.update(context, person);
        };
    }

    static void into(Map<String, RigEdit.Edit> verbs) {
        verbs.put("newperson", (context, words) -> {
            EPerson person = people.create(context);
            person.setEmail(words.get(0));
            person.setCanLogIn(true);
            if (words.size() > 2) {
                person.setFirstName(context, words.get(1));
                person.setLastName(context, words.get(2));
            }
            people.update(context, person);
            RigEdit.say("newperson " + person.getID());
        });
        verbs.put("delperson", (context, words) -> people.delete(context, at(context, "person:" + words.get(0))));
        verbs.put("email", change(EPerson::setEmail));
        verbs.put("netid", change(EPerson::setNetid));
        verbs.put("password", change(people::setPassword));
        verbs.put("login", change((person, value) -> person.setCanLogIn(Boolean.parseBoolean(value))));
        verbs.put("newgroup", (context, words) -> {
            Group group = groups.create(context);
            groups.setName(group, words.get(0));
            groups.update(context, group);
            RigEdit.say("newgroup " + group.getID());
        });
        verbs.put("delgroup", (context, words) -> groups.delete(context, at(context, "group:" + words.get(0))));
        verbs.put("renamegroup", (context, words) -> {
            Group group = at(context, "group:" + words.get(0));
            groups.setName(group, words.get(1));
            groups.update(context, group);
        });
        verbs.put("group", (context, words) -> {
            Group group = at(context, "group:" + words.get(1));
            EPerson person = at(context, "person:" + words.get(2));
            if (words.get(0).equals("add")) {
                groups.addMember(context, group, person);
            } else {
                groups.removeMember(context, group, person);
            }
            groups.update(context, group);
        });
        verbs.put("subgroup", (context, words) -> {
            Group parent = at(context, "group:" + words.get(1));
            Group child = at(context, "group:" + words.get(2));
            if (words.get(0).equals("add")) {
                groups.addMember(context, parent, child);
            } else {
                groups.removeMember(context, parent, child);
            }
            groups.update(context, parent);
        });
        verbs.put("subscribe", (context, words) -> {
            SubscriptionParameter frequency = new SubscriptionParameter();
            frequency.setName("frequency");
            frequency.setValue(words.get(2));
            subscriptions.subscribe(context, at(context, "person:" + words.get(0)), at(context, words.get(1)),
                                    Arrays.asList(frequency), "content");
        });
        verbs.put("unsubscribe", (context, words) -> subscriptions.unsubscribe(
            context, at(context, "person:" + words.get(0)), at(context, words.get(1))));
    }
}
