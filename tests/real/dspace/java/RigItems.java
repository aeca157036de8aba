import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

import org.dspace.content.DSpaceObject;
import org.dspace.content.Item;
import org.dspace.content.MetadataValue;
import org.dspace.content.Relationship;
import org.dspace.content.RelationshipType;
import org.dspace.content.WorkspaceItem;
import org.dspace.content.service.DSpaceObjectService;
import org.dspace.core.Context;
import org.dspace.eperson.EPerson;
import org.dspace.versioning.Version;

/**
 * Edits of items, and of the metadata of any object:
 *
 * <pre>
 * metadata OBJECT FIELD VALUE...      replace the values of a field (no value: clear it)
 * addvalue OBJECT FIELD LANG|- VALUE [AUTHORITY CONFIDENCE]
 * delvalue OBJECT FIELD VALUE         movevalue OBJECT FIELD FROM TO
 * withdraw|reinstate ITEM             discoverable ITEM true|false
 * delete OBJECT                       any object but a person or a site
 * move ITEM FROM TO                   map|unmap ITEM COLLECTION
 * submitter ITEM EMAIL                newitem COLLECTION COUNT
 * draft COLLECTION TITLE              install|deldraft UUID
 * newversion ITEM                     delversion ITEM
 * summary ITEM TEXT                   of the version
 * relate|unrelate LEFT LEFTWARD RIGHTWARD RIGHT
 * relplace LEFT LEFTWARD RIGHTWARD RIGHT LEFT-PLACE|- RIGHT-PLACE|-
 * </pre>
 */
final class RigItems extends RigBase {
    private RigItems() { }

    static void into(Map<String, RigEdit.Edit> verbs) {
        verbs.put("metadata", (context, words) ->
            metadata(context, at(context, words.get(0)), words.get(1), words.subList(2, words.size())));
        verbs.put("addvalue", (context, words) -> addvalue(context, at(context, words.get(0)), words));
        verbs.put("delvalue", (context, words) -> delvalue(context, at(context, words.get(0)), words));
        verbs.put("movevalue", (context, words) -> movevalue(context, at(context, words.get(0)), words));
        verbs.put("withdraw", (context, words) -> items.withdraw(context, at(context, words.get(0))));
        verbs.put("reinstate", (context, words) -> items.reinstate(context, at(context, words.get(0))));
        verbs.put("delete", (context, words) -> delete(context, at(context, words.get(0))));
        verbs.put("move", (context, words) -> items.move(context, at(context, words.get(0)),
                                                         at(context, words.get(1)), at(context, words.get(2))));
        verbs.put("map", (context, words) ->
            collections.addItem(context, at(context, words.get(1)), at(context, words.get(0))));
        verbs.put("unmap", (context, words) ->
            collections.removeItem(context, at(context, words.get(1)), at(context, words.get(0))));
        verbs.put("discoverable", (context, words) -> {
            Item item = at(context, words.get(0));
            item.setDiscoverable(Boolean.parseBoolean(words.get(1)));
            items.update(context, item);
        });
        verbs.put("submitter", (context, words) -> {
            Item item = at(context, words.get(0));
            EPerson person = at(context, "person:" + words.get(1));
            item.setSubmitter(person);
            items.update(context, item);
        });
        verbs.put("newitem", RigItems::newitem);
        verbs.put("draft", (context, words) -> {
            WorkspaceItem draft = drafts.create(context, at(context, words.get(0)), true);
            add(context, draft.getItem(), "dc.title", words.get(1));
            items.update(context, draft.getItem());
            RigEdit.say("draft " + draft.getItem().getID());
        });
        verbs.put("install", (context, words) -> {
            Item item = at(context, words.get(0));
            installer.installItem(context, drafts.findByItem(context, item));
            RigEdit.say("install " + item.getHandle());
        });
        verbs.put("deldraft", (context, words) ->
            drafts.deleteAll(context, drafts.findByItem(context, at(context, words.get(0)))));
        verbs.put("newversion", (context, words) -> {
            Version version = versions.createNewVersion(context, at(context, words.get(0)), "rig");
            installer.installItem(context, drafts.findByItem(context, version.getItem()));
            RigEdit.say("newversion " + version.getItem().getHandle());
        });
        verbs.put("delversion", (context, words) ->
            versions.delete(context, versions.getVersion(context, RigBase.<Item>at(context, words.get(0)))));
        verbs.put("summary", (context, words) ->
            versions.updateVersion(context, at(context, words.get(0)), words.get(1)));
        verbs.put("relate", (context, words) -> {
            Item left = at(context, words.get(0));
            Item right = at(context, words.get(3));
            relationships.create(context, left, right, relationshipType(
                context, items.getEntityTypeLabel(left), items.getEntityTypeLabel(right),
                words.get(1), words.get(2)), -1, -1);
        });
        verbs.put("unrelate", (context, words) -> relationships.delete(context, relationship(context, words)));
        verbs.put("relplace", (context, words) ->
            relationships.move(context, relationship(context, words), place(words.get(4)), place(words.get(5))));
    }

    private static Integer place(String word) {
        return word.equals("-") ? null : Integer.valueOf(word);
    }

    private static Relationship relationship(Context context, List<String> words) throws Exception {
        Item left = at(context, words.get(0));
        Item right = at(context, words.get(3));
        RelationshipType type = relationshipType(context, items.getEntityTypeLabel(left),
                                                 items.getEntityTypeLabel(right), words.get(1), words.get(2));
        for (Relationship each : relationships.findByItemAndRelationshipType(context, left, type)) {
            if (each.getRightItem().equals(right)) {
                return each;
            }
        }
        throw new IllegalArgumentException("not related: " + words);
    }

    private static void newitem(Context context, List<String> words) throws Exception {
        for (int i = 0; i < Integer.parseInt(words.get(1)); i++) {
            Item made = item(context, at(context, words.get(0)), "New " + i, "new" + i + ".txt");
            RigEdit.say("newitem " + made.getHandle());
            if (i % 25 == 24) {
                context.commit();
            }
        }
    }

    private static <T extends DSpaceObject> void metadata(Context context, T object, String field,
                                                          List<String> values) throws Exception {
        DSpaceObjectService<T> service = CONTENT.getDSpaceObjectService(object);
        String[] part = field.split("\\.");
        service.clearMetadata(context, object, part[0], part[1], part.length > 2 ? part[2] : null, Item.ANY);
        for (String value : values) {
            add(context, object, field, value);
        }
        service.update(context, object);
    }

    private static <T extends DSpaceObject> void addvalue(Context context, T object, List<String> words)
            throws Exception {
        String language = words.get(2).equals("-") ? null : words.get(2);
        boolean authority = words.size() > 4;
        add(context, object, words.get(1), language, words.get(3), authority ? words.get(4) : null,
            authority ? Integer.parseInt(words.get(5)) : -1);
        CONTENT.getDSpaceObjectService(object).update(context, object);
    }

    private static <T extends DSpaceObject> void delvalue(Context context, T object, List<String> words)
            throws Exception {
        DSpaceObjectService<T> service = CONTENT.getDSpaceObjectService(object);
        List<MetadataValue> gone = service.getMetadataByMetadataString(object, words.get(1)).stream()
            .filter(value -> words.get(2).equals(value.getValue())).collect(Collectors.toList());
        if (gone.isEmpty()) {
            throw new IllegalArgumentException("no such value: " + words);
        }
        service.removeMetadataValues(context, object, gone);
        service.update(context, object);
    }

    private static <T extends DSpaceObject> void movevalue(Context context, T object, List<String> words)
            throws Exception {
        DSpaceObjectService<T> service = CONTENT.getDSpaceObjectService(object);
        String[] part = words.get(1).split("\\.");
        service.moveMetadata(context, object, part[0], part[1], part.length > 2 ? part[2] : null,
                             Integer.parseInt(words.get(2)), Integer.parseInt(words.get(3)));
        service.update(context, object);
    }

    private static <T extends DSpaceObject> void delete(Context context, T object) throws Exception {
        CONTENT.getDSpaceObjectService(object).delete(context, object);
    }
}
