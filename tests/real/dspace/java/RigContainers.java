import java.io.InputStream;
import java.util.List;
import java.util.Map;

import org.dspace.content.Collection;
import org.dspace.content.Community;
import org.dspace.content.DSpaceObject;
import org.dspace.content.Item;
import org.dspace.core.Context;
import org.dspace.eperson.Group;
import org.dspace.harvest.HarvestedCollection;

/**
 * Edits of communities and collections:
 *
 * <pre>
 * newcommunity PARENT|- TITLE         newcollection COMMUNITY TITLE
 * delete HANDLE                       (in RigItems) with all that is in it
 * reparent OBJECT FROM|- TO|-         a community or collection
 * logo OBJECT SIZE|-                  of that many bytes, or none
 * template COLLECTION FIELD VALUE...  of the template item, which is made if need be
 * deltemplate COLLECTION
 * newrole|delrole OBJECT admin|submit|reviewer
 * license COLLECTION TEXT
 * harvest COLLECTION TYPE URL SET CONFIG
 * delharvest COLLECTION
 * </pre>
 */
final class RigContainers extends RigBase {
    private RigContainers() { }

    static void into(Map<String, RigEdit.Edit> verbs) {
        verbs.put("newcommunity", (context, words) -> {
            Community parent = words.get(0).equals("-") ? null : at(context, words.get(0));
            Community made = communities.create(parent, context);
            add(context, made, "dc.title", words.get(1));
            communities.update(context, made);
            RigEdit.say("newcommunity " + made.getHandle());
        });
        verbs.put("newcollection", (context, words) -> {
            Collection made = collections.create(context, at(context, words.get(0)));
            add(context, made, "dc.title", words.get(1));
            collections.update(context, made);
            RigEdit.say("newcollection " + made.getHandle());
        });
        verbs.put("reparent", RigContainers::reparent);
        verbs.put("logo", (context, words) -> {
            DSpaceObject object = at(context, words.get(0));
            InputStream logo = words.get(1).equals("-") ? null : noise(Integer.parseInt(words.get(1)), 7);
            if (object instanceof Community) {
                communities.setLogo(context, (Community) object, logo);
                communities.update(context, (Community) object);
            } else {
                collections.setLogo(context, (Collection) object, logo);
                collections.update(context, (Collection) object);
            }
        });
        verbs.put("template", RigContainers::template);
        verbs.put("deltemplate", (context, words) -> {
            Collection collection = at(context, words.get(0));
            collections.removeTemplateItem(context, collection);
            collections.update(context, collection);
        });
        verbs.put("newrole", (context, words) -> role(context, words, true));
        verbs.put("delrole", (context, words) -> role(context, words, false));
        verbs.put("license", (context, words) -> {
            Collection collection = at(context, words.get(0));
            collection.setLicense(context, words.get(1));
            collections.update(context, collection);
        });
        verbs.put("harvest", (context, words) -> {
            Collection collection = at(context, words.get(0));
            HarvestedCollection harvest = harvests.find(context, collection);
            if (harvest == null) {
                harvest = harvests.create(context, collection);
            }
            harvest.setHarvestParams(Integer.parseInt(words.get(1)), words.get(2), words.get(3), words.get(4));
            harvests.update(context, harvest);
        });
        verbs.put("delharvest", (context, words) ->
            harvests.delete(context, harvests.find(context, at(context, words.get(0)))));
    }

    /**
     * A community as DSpace's community-filiator does it; a collection first into the new one, since one that is
     * in no community any more is deleted.
     */
    private static void reparent(Context context, List<String> words) throws Exception {
        DSpaceObject object = at(context, words.get(0));
        Community from = words.get(1).equals("-") ? null : at(context, words.get(1));
        Community to = words.get(2).equals("-") ? null : at(context, words.get(2));
        if (object instanceof Community) {
            Community community = (Community) object;
            if (from != null) {
                community.removeParentCommunity(from);
                from.removeSubCommunity(community);
                communities.update(context, community);
                communities.update(context, from);
            }
            if (to != null) {
                communities.addSubcommunity(context, to, community);
            }
        } else {
            communities.addCollection(context, to, (Collection) object);
            if (from != null) {
                communities.removeCollection(context, from, (Collection) object);
            }
        }
    }

    private static void template(Context context, List<String> words) throws Exception {
        Collection collection = at(context, words.get(0));
        if (collection.getTemplateItem() == null) {
            collections.createTemplateItem(context, collection);
            collections.update(context, collection);
        }
        Item template = collection.getTemplateItem();
        String[] part = words.get(1).split("\\.");
        items.clearMetadata(context, template, part[0], part[1], part.length > 2 ? part[2] : null, Item.ANY);
        for (String value : words.subList(2, words.size())) {
            add(context, template, words.get(1), value);
        }
        items.update(context, template);
    }

    private static void role(Context context, List<String> words, boolean make) throws Exception {
        DSpaceObject object = at(context, words.get(0));
        String role = words.get(1);
        Group group = null;
        if (object instanceof Community) {
            Community community = (Community) object;
            if (make) {
                group = communities.createAdministrators(context, community);
            } else {
                group = community.getAdministrators();
                communities.removeAdministrators(context, community);
                groups.delete(context, group);
            }
            communities.update(context, community);
        } else {
            Collection collection = (Collection) object;
            if (make) {
                group = role.equals("admin") ? collections.createAdministrators(context, collection)
                    : role.equals("submit") ? collections.createSubmitters(context, collection)
                    : collections.createWorkflowGroup(context, collection, 1);
            } else if (role.equals("admin")) {
                group = collection.getAdministrators();
                collections.removeAdministrators(context, collection);
                groups.delete(context, group);
            } else if (role.equals("submit")) {
                group = collection.getSubmitters();
                collections.removeSubmitters(context, collection);
                groups.delete(context, group);
            } else {
                group = collections.getWorkflowGroup(context, collection, 1);
                collections.setWorkflowGroup(context, collection, 1, null);
                groups.delete(context, group);
            }
            collections.update(context, collection);
        }
        RigEdit.say((make ? "newrole " : "delrole ") + group.getName());
    }
}
