import java.util.ArrayList;
import java.util.Map;

import org.dspace.content.BitstreamFormat;
import org.dspace.content.MetadataField;
import org.dspace.content.MetadataSchema;

/**
 * Edits of the registries:
 *
 * <pre>
 * field SCHEMA URI ELEMENT [QUALIFIER]    made with its schema, if need be
 * scopenote FIELD TEXT                    delfield FIELD
 * delschema SCHEMA
 * newformat NAME MIME SUPPORT EXTENSION...
 * extensions NAME EXTENSION...            delformat NAME
 * entitytype LABEL
 * reltype LEFT RIGHT LEFTWARD RIGHTWARD
 * </pre>
 */
final class RigRegistries extends RigBase {
    private RigRegistries() { }

    static void into(Map<String, RigEdit.Edit> verbs) {
        verbs.put("field", (context, words) ->
            field(context, words.get(0), words.get(1), words.get(2), words.size() > 3 ? words.get(3) : null));
        verbs.put("scopenote", (context, words) -> {
            MetadataField field = fields.findByString(context, words.get(0), '.');
            field.setScopeNote(words.get(1));
            fields.update(context, field);
        });
        verbs.put("delfield", (context, words) ->
            fields.delete(context, fields.findByString(context, words.get(0), '.')));
        verbs.put("delschema", (context, words) -> {
            MetadataSchema schema = schemas.find(context, words.get(0));
            schemas.delete(context, schema);
        });
        verbs.put("newformat", (context, words) -> {
            BitstreamFormat format = formats.create(context);
            formats.setShortDescription(context, format, words.get(0));
            format.setDescription(words.get(0));
            format.setMIMEType(words.get(1));
            format.setSupportLevel(Integer.parseInt(words.get(2)));
            format.setExtensions(new ArrayList<>(words.subList(3, words.size())));
            formats.update(context, format);
        });
        verbs.put("extensions", (context, words) -> {
            BitstreamFormat format = formats.findByShortDescription(context, words.get(0));
            format.setExtensions(new ArrayList<>(words.subList(1, words.size())));
            formats.update(context, format);
        });
        verbs.put("delformat", (context, words) ->
            formats.delete(context, formats.findByShortDescription(context, words.get(0))));
        verbs.put("entitytype", (context, words) -> entityType(context, words.get(0)));
        verbs.put("reltype", (context, words) ->
            relationshipType(context, words.get(0), words.get(1), words.get(2), words.get(3)));
    }
}
