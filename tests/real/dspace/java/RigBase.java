import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Calendar;
import java.util.Date;
import java.util.List;
import java.util.Random;
import java.util.TimeZone;
import java.util.UUID;

import org.dspace.authorize.ResourcePolicy;
import org.dspace.authorize.factory.AuthorizeServiceFactory;
import org.dspace.authorize.service.AuthorizeService;
import org.dspace.authorize.service.ResourcePolicyService;
import org.dspace.content.Bitstream;
import org.dspace.content.Bundle;
import org.dspace.content.Collection;
import org.dspace.content.DSpaceObject;
import org.dspace.content.EntityType;
import org.dspace.content.Item;
import org.dspace.content.MetadataSchema;
import org.dspace.content.RelationshipType;
import org.dspace.content.WorkspaceItem;
import org.dspace.content.factory.ContentServiceFactory;
import org.dspace.content.service.BitstreamFormatService;
import org.dspace.content.service.BitstreamService;
import org.dspace.content.service.BundleService;
import org.dspace.content.service.CollectionService;
import org.dspace.content.service.CommunityService;
import org.dspace.content.service.DSpaceObjectService;
import org.dspace.content.service.EntityTypeService;
import org.dspace.content.service.InstallItemService;
import org.dspace.content.service.ItemService;
import org.dspace.content.service.MetadataFieldService;
import org.dspace.content.service.MetadataSchemaService;
import org.dspace.content.service.RelationshipService;
import org.dspace.content.service.RelationshipTypeService;
import org.dspace.content.service.SiteService;
import org.dspace.content.service.WorkspaceItemService;
import org.dspace.core.Constants;
import org.dspace.core.Context;
import org.dspace.eperson.EPerson;
import org.dspace.eperson.Group;
import org.dspace.eperson.factory.EPersonServiceFactory;
import org.dspace.eperson.service.EPersonService;
import org.dspace.eperson.service.GroupService;
import org.dspace.eperson.service.SubscribeService;
import org.dspace.handle.factory.HandleServiceFactory;
import org.dspace.handle.service.HandleService;
import org.dspace.harvest.factory.HarvestServiceFactory;
import org.dspace.harvest.service.HarvestedCollectionService;
import org.dspace.identifier.factory.IdentifierServiceFactory;
import org.dspace.identifier.service.DOIService;
import org.dspace.versioning.factory.VersionServiceFactory;
import org.dspace.versioning.service.VersionHistoryService;
import org.dspace.versioning.service.VersioningService;
import org.dspace.xmlworkflow.factory.XmlWorkflowServiceFactory;
import org.dspace.xmlworkflow.storedcomponents.service.CollectionRoleService;

/** What the helpers share: DSpace's services under short names, and a few steps. */
abstract class RigBase {
    static final ContentServiceFactory CONTENT = ContentServiceFactory.getInstance();
    static final CommunityService communities = CONTENT.getCommunityService();
    static final CollectionService collections = CONTENT.getCollectionService();
    static final ItemService items = CONTENT.getItemService();
    static final BundleService bundles = CONTENT.getBundleService();
    static final BitstreamService bitstreams = CONTENT.getBitstreamService();
    static final BitstreamFormatService formats = CONTENT.getBitstreamFormatService();
    static final WorkspaceItemService drafts = CONTENT.getWorkspaceItemService();
    static final InstallItemService installer = CONTENT.getInstallItemService();
    static final MetadataSchemaService schemas = CONTENT.getMetadataSchemaService();
    static final MetadataFieldService fields = CONTENT.getMetadataFieldService();
    static final EntityTypeService entityTypes = CONTENT.getEntityTypeService();
    static final RelationshipTypeService relationshipTypes = CONTENT.getRelationshipTypeService();
    static final RelationshipService relationships = CONTENT.getRelationshipService();
    static final EPersonService people = EPersonServiceFactory.getInstance().getEPersonService();
    static final GroupService groups = EPersonServiceFactory.getInstance().getGroupService();
    static final SubscribeService subscriptions = EPersonServiceFactory.getInstance().getSubscribeService();
    static final AuthorizeService authorize = AuthorizeServiceFactory.getInstance().getAuthorizeService();
    static final ResourcePolicyService policies = AuthorizeServiceFactory.getInstance().getResourcePolicyService();
    static final HandleService handles = HandleServiceFactory.getInstance().getHandleService();
    static final VersioningService versions = VersionServiceFactory.getInstance().getVersionService();
    static final VersionHistoryService histories = VersionServiceFactory.getInstance().getVersionHistoryService();
    static final SiteService sites = CONTENT.getSiteService();
    static final CollectionRoleService roles =
        ((XmlWorkflowServiceFactory) XmlWorkflowServiceFactory.getInstance()).getCollectionRoleService();
    static final HarvestedCollectionService harvests =
        HarvestServiceFactory.getInstance().getHarvestedCollectionService();
    static final DOIService dois = IdentifierServiceFactory.getInstance().getDOIService();

    /** As the first account by e-mail address, if there is any; allowed everything. */
    static Context open() throws Exception {
        Context context = new Context();
        context.turnOffAuthorisationSystem();
        List<EPerson> first = people.findAll(context, EPerson.EMAIL, 1, 0);
        context.setCurrentUser(first.isEmpty() ? null : first.get(0));
        return context;
    }

    /**
     * The object which a word of an edit means: a handle, a UUID, {@code site}, {@code person:EMAIL},
     * {@code group:NAME}; of an item with a handle also {@code HANDLE!BUNDLE} and {@code HANDLE#FILE}.
     */
    @SuppressWarnings("unchecked")
    static <T extends DSpaceObject> T at(Context context, String word) throws Exception {
        DSpaceObject found;
        int mark = Math.max(word.indexOf('#'), word.indexOf('!'));
        if (word.equals("site")) {
            found = sites.findSite(context);
        } else if (word.startsWith("person:")) {
            found = people.findByEmail(context, word.substring(7));
        } else if (word.startsWith("group:")) {
            found = groups.findByName(context, word.substring(6));
        } else if (mark > 0) {
            Item item = at(context, word.substring(0, mark));
            found = word.charAt(mark) == '#' ? named(item, word.substring(mark + 1))
                : items.getBundles(item, word.substring(mark + 1)).stream().findFirst().orElse(null);
        } else if (word.matches("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")) {
            found = byUuid(context, UUID.fromString(word));
        } else {
            found = handles.resolveToObject(context, word);
        }
        if (found == null) {
            throw new IllegalArgumentException("there is no object " + word);
        }
        return (T) found;
    }

    private static DSpaceObject byUuid(Context context, UUID uuid) throws Exception {
        for (DSpaceObjectService<?> service : List.of(items, bundles, bitstreams, collections, communities, groups,
                                                      people, sites)) {
            DSpaceObject found = service.find(context, uuid);
            if (found != null) {
                return found;
            }
        }
        return null;
    }

    static Bitstream named(Item item, String name) {
        for (Bundle bundle : item.getBundles()) {
            for (Bitstream bitstream : bundle.getBitstreams()) {
                if (name.equals(bitstream.getName())) {
                    return bitstream;
                }
            }
        }
        throw new IllegalArgumentException("no bitstream is named " + name);
    }

    static InputStream text(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    /** The same bytes for the same seed, on every machine. */
    static InputStream noise(int size, long seed) {
        byte[] bytes = new byte[size];
        new Random(seed).nextBytes(bytes);
        return new ByteArrayInputStream(bytes);
    }

    /** field is schema.element or schema.element.qualifier */
    static <T extends DSpaceObject> void add(Context context, T object, String field, String language, String value,
                                             String authority, int confidence) throws Exception {
        String[] part = field.split("\\.");
        DSpaceObjectService<T> service = CONTENT.getDSpaceObjectService(object);
        String qualifier = part.length > 2 ? part[2] : null;
        if (authority == null) {
            service.addMetadata(context, object, part[0], part[1], qualifier, language, value);
        } else {
            service.addMetadata(context, object, part[0], part[1], qualifier, language,
                                Arrays.asList(value), Arrays.asList(authority), Arrays.asList(confidence));
        }
    }

    static <T extends DSpaceObject> void add(Context context, T object, String field, String value) throws Exception {
        add(context, object, field, null, value, null, -1);
    }

    /** An item in the archive, with its title and one small file. */
    static Item item(Context context, Collection collection, String title, String file) throws Exception {
        WorkspaceItem draft = drafts.create(context, collection, true);
        Item item = draft.getItem();
        add(context, item, "dc.title", "en", title, null, -1);
        if (file != null) {
            bitstream(context, item, "ORIGINAL", file, null, text(title + "\n"));
        }
        installer.installItem(context, draft);
        return item;
    }

    static Bitstream bitstream(Context context, Item item, String bundleName, String name, String description,
                               InputStream content) throws Exception {
        Bundle bundle = items.getBundles(item, bundleName).isEmpty()
            ? bundles.create(context, item, bundleName) : items.getBundles(item, bundleName).get(0);
        Bitstream bitstream = bitstreams.create(context, bundle, content);
        bitstream.setName(context, name);
        bitstream.setSource(context, "/rig/" + name);
        if (description != null) {
            bitstream.setDescription(context, description);
        }
        bitstream.setFormat(context, formats.guessFormat(context, bitstream));
        bitstreams.update(context, bitstream);
        if (bundleName.equals("ORIGINAL") && bundle.getPrimaryBitstream() == null) {
            bundle.setPrimaryBitstreamID(bitstream);
        }
        return bitstream;
    }

    /** yyyy-mm-dd at midnight UTC */
    static Date day(String day) {
        String[] part = day.split("-");
        Calendar calendar = Calendar.getInstance(TimeZone.getTimeZone("UTC"));
        calendar.clear();
        calendar.set(Integer.parseInt(part[0]), Integer.parseInt(part[1]) - 1, Integer.parseInt(part[2]));
        return calendar.getTime();
    }

    /** Anonymous may read it, but from that day (yyyy-mm-dd) on only. */
    static void embargo(Context context, DSpaceObject object, String day) throws Exception {
        authorize.removePoliciesActionFilter(context, object, Constants.READ);
        Date start = day(day);
        authorize.createResourcePolicy(context, object, groups.findByName(context, Group.ANONYMOUS), null,
                                       Constants.READ, ResourcePolicy.TYPE_CUSTOM, "embargo", "until " + day,
                                       start, null);
    }

    static void field(Context context, String schema, String uri, String element, String qualifier) throws Exception {
        MetadataSchema found = schemas.find(context, schema);
        if (found == null) {
            found = schemas.create(context, schema, uri);
        }
        if (fields.findByElement(context, found, element, qualifier) == null) {
            fields.create(context, found, element, qualifier, "made by the rig");
        }
    }

    static EntityType entityType(Context context, String name) throws Exception {
        EntityType type = entityTypes.findByEntityType(context, name);
        return type == null ? entityTypes.create(context, name) : type;
    }

    static RelationshipType relationshipType(Context context, String left, String right, String leftward,
                                             String rightward) throws Exception {
        EntityType leftType = entityType(context, left);
        EntityType rightType = entityType(context, right);
        RelationshipType type =
            relationshipTypes.findbyTypesAndTypeName(context, leftType, rightType, leftward, rightward);
        return type != null ? type
            : relationshipTypes.create(context, leftType, rightType, leftward, rightward, 0, null, 0, null);
    }
}
