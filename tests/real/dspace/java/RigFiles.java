import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.UUID;

import org.dspace.authorize.ResourcePolicy;
import org.dspace.content.Bitstream;
import org.dspace.content.BitstreamFormat;
import org.dspace.content.Bundle;
import org.dspace.content.DSpaceObject;
import org.dspace.content.Item;
import org.dspace.core.Constants;
import org.dspace.core.Context;
import org.dspace.eperson.EPerson;
import org.dspace.eperson.Group;

/**
 * Edits of bundles and bitstreams, and of the policies and identifiers of any object:
 *
 * <pre>
 * addbitstream ITEM BUNDLE NAME SIZE  delbitstream ITEM NAME
 * newbundle|delbundle ITEM BUNDLE     movebitstream ITEM NAME BUNDLE
 * order ITEM BUNDLE NAME...           all names of the bundle, in the new order
 * primary ITEM BUNDLE NAME|-          format ITEM NAME SHORT-DESCRIPTION
 * policy ITEM NAME YYYY-MM-DD         put a bitstream under embargo
 * allow OBJECT ACTION group:NAME|person:EMAIL [START|- [END|- [NAME [TYPE [DESCRIPTION]]]]]
 * forbid OBJECT ACTION                remove its policies for that action
 * handle OBJECT HANDLE                one more handle
 * unbind OBJECT                       take its handles away; they remain as tombstones
 * doi OBJECT DOI STATUS
 * </pre>
 */
final class RigFiles extends RigBase {
    private RigFiles() { }

    static void into(Map<String, RigEdit.Edit> verbs) {
        verbs.put("addbitstream", (context, words) -> {
            Item item = at(context, words.get(0));
            Bitstream made = bitstream(context, item, words.get(1), words.get(2), null,
                                       noise(Integer.parseInt(words.get(3)), words.get(2).hashCode()));
            items.update(context, item);
            RigEdit.say("addbitstream " + made.getID());
        });
        verbs.put("delbitstream", (context, words) -> {
            Item item = at(context, words.get(0));
            bitstreams.delete(context, named(item, words.get(1)));
            items.update(context, item);
        });
        verbs.put("newbundle", (context, words) -> {
            Item item = at(context, words.get(0));
            bundles.create(context, item, words.get(1));
            items.update(context, item);
        });
        verbs.put("delbundle", (context, words) -> {
            Item item = at(context, words.get(0));
            items.removeBundle(context, item, bundle(context, words));
            items.update(context, item);
        });
        verbs.put("movebitstream", (context, words) -> {
            Bundle to = at(context, words.get(0) + "!" + words.get(2));
            bundles.moveBitstreamToBundle(context, to, named(at(context, words.get(0)), words.get(1)));
            bundles.update(context, to);
        });
        verbs.put("order", (context, words) -> {
            Bundle bundle = bundle(context, words);
            List<UUID> order = new ArrayList<>();
            for (String name : words.subList(2, words.size())) {
                order.add(bundles.getBitstreamByName(bundle, name).getID());
            }
            bundles.setOrder(context, bundle, order.toArray(new UUID[0]));
            bundles.update(context, bundle);
        });
        verbs.put("primary", (context, words) -> {
            Bundle bundle = bundle(context, words);
            if (words.get(2).equals("-")) {
                bundle.unsetPrimaryBitstreamID();
            } else {
                bundle.setPrimaryBitstreamID(bundles.getBitstreamByName(bundle, words.get(2)));
            }
            bundles.update(context, bundle);
        });
        verbs.put("format", (context, words) -> {
            Bitstream bitstream = named(at(context, words.get(0)), words.get(1));
            BitstreamFormat format = formats.findByShortDescription(context, words.get(2));
            bitstreams.setFormat(context, bitstream, format);
            bitstreams.update(context, bitstream);
        });
        verbs.put("policy", (context, words) ->
            embargo(context, named(at(context, words.get(0)), words.get(1)), words.get(2)));
        verbs.put("allow", RigFiles::allow);
        verbs.put("forbid", (context, words) -> authorize.removePoliciesActionFilter(
            context, at(context, words.get(0)), action(words.get(1))));
        verbs.put("handle", (context, words) ->
            handles.createHandle(context, at(context, words.get(0)), words.get(1), true));
        verbs.put("unbind", (context, words) -> handles.unbindHandle(context, at(context, words.get(0))));
        verbs.put("doi", (context, words) -> {
            org.dspace.identifier.DOI doi = dois.create(context);
            doi.setDoi(words.get(1));
            doi.setDSpaceObject(at(context, words.get(0)));
            doi.setStatus(Integer.valueOf(words.get(2)));
            dois.update(context, doi);
        });
    }

    private static Bundle bundle(Context context, List<String> words) throws Exception {
        return at(context, words.get(0) + "!" + words.get(1));
    }

    private static int action(String name) {
        int action = Constants.getActionID(name);
        if (action < 0) {
            throw new IllegalArgumentException("no such action: " + name);
        }
        return action;
    }

    private static void allow(Context context, List<String> words) throws Exception {
        DSpaceObject object = at(context, words.get(0));
        DSpaceObject who = at(context, words.get(2));
        authorize.createResourcePolicy(
            context, object, who instanceof Group ? (Group) who : null, who instanceof EPerson ? (EPerson) who : null,
            action(words.get(1)), word(words, 6) == null ? ResourcePolicy.TYPE_CUSTOM : word(words, 6),
            word(words, 5), word(words, 7), date(words, 3), date(words, 4));
    }

    private static String word(List<String> words, int index) {
        return index < words.size() && !words.get(index).equals("-") ? words.get(index) : null;
    }

    private static Date date(List<String> words, int index) {
        return word(words, index) == null ? null : day(words.get(index));
    }
}
