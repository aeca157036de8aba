import java.io.InputStream;
import java.security.MessageDigest;
import java.text.SimpleDateFormat;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.Iterator;
import java.util.List;
import java.util.TreeSet;

import org.dspace.authenticate.AuthenticationMethod;
import org.dspace.authenticate.factory.AuthenticateServiceFactory;
import org.dspace.authenticate.service.AuthenticationService;
import org.dspace.authorize.ResourcePolicy;
import org.dspace.content.Bitstream;
import org.dspace.content.BitstreamFormat;
import org.dspace.content.Bundle;
import org.dspace.content.Collection;
import org.dspace.content.Community;
import org.dspace.content.DSpaceObject;
import org.dspace.content.EntityType;
import org.dspace.content.Item;
import org.dspace.content.MetadataField;
import org.dspace.content.MetadataSchema;
import org.dspace.content.MetadataValue;
import org.dspace.content.Relationship;
import org.dspace.content.RelationshipType;
import org.dspace.content.Site;
import org.dspace.core.Constants;
import org.dspace.core.Context;
import org.dspace.eperson.EPerson;
import org.dspace.eperson.Group;
import org.dspace.eperson.PasswordHash;
import org.dspace.eperson.Subscription;
import org.dspace.eperson.SubscriptionParameter;
import org.dspace.handle.Handle;
import org.dspace.harvest.HarvestedCollection;
import org.dspace.identifier.DOI;
import org.dspace.services.factory.DSpaceServicesFactory;
import org.dspace.versioning.Version;
import org.dspace.xmlworkflow.storedcomponents.CollectionRole;
import org.hibernate.Session;
import org.hibernate.SessionFactory;

/**
 * Reads the whole repository through DSpace:  rig-read [passwords] [drafts]
 * Prints one fact a line, sorted, without what only one installation knows (integer ids, the UUIDs of the site and
 * of the groups that every installation makes for itself). So two installations with the same content print the same.
 * It fails on the first thing that DSpace cannot load: it asks Hibernate for every row of every mapped class,
 * and reads every bitstream through the assetstore against its checksum.
 */
public class RigRead extends RigBase {
    private static final List<String> OWN_GROUPS = Arrays.asList(Group.ANONYMOUS, Group.ADMIN);

    private static final List<String> PASSWORDS = Arrays.asList("admin", "rig", "secret", "own");
    private static final AuthenticationService LOGIN =
        AuthenticateServiceFactory.getInstance().getAuthenticationService();

    private final Context context;
    private final Session session;
    private final List<String> facts = new ArrayList<>();

    private RigRead(Context context) {
        this.context = context;
        this.session = DSpaceServicesFactory.getInstance().getServiceManager()
            .getServiceByName("sessionFactory", SessionFactory.class).getCurrentSession();
    }

    public static void main(String[] arguments) throws Exception {
        List<String> wanted = Arrays.asList(arguments);
        Context context = open();
        List<String> facts = new RigRead(context).read(wanted.contains("passwords"), wanted.contains("drafts"));
        context.abort();
        StringBuilder out = new StringBuilder();
        for (String fact : facts) {
            out.append("= ").append(fact).append('\n');
        }
        System.out.write(out.toString().getBytes("UTF-8"));
        System.out.flush();
    }

    private List<String> read(boolean passwords, boolean inProgress) throws Exception {
        for (var type : session.getMetamodel().getEntities()) {
            // the fixity checker's codes in the database are not all known to its own class
            if (!type.getJavaType().getName().startsWith("org.dspace.checker.")) {
                all(type.getJavaType());
            }
        }
        registries();
        everybody(passwords);
        site();
        for (Community community : communities.findAll(context)) {
            community(community);
        }
        for (Collection collection : collections.findAll(context)) {
            collection(collection);
        }
        for (Item item : all(Item.class)) {
            boolean draft = items.isInProgressSubmission(context, item);
            if (!draft || inProgress) {
                item(item, draft ? "draft" : "item");
            }
        }
        Iterator<Item> archived = items.findAllUnfiltered(context);
        while (archived.hasNext()) {
            items.getMetadata(archived.next(), Item.ANY, Item.ANY, Item.ANY, Item.ANY);
        }
        joined();
        identifiers();
        Collections.sort(facts);
        return facts;
    }

    private <T> List<T> all(Class<T> type) {
        return session.createQuery("from " + type.getName(), type).list();
    }

    private void fact(Object... words) {
        StringBuilder line = new StringBuilder();
        for (Object word : words) {
            line.append(line.length() > 0 ? " " : "").append(written(word));
        }
        facts.add(line.toString());
    }

    private static String written(Object word) {
        if (word == null) {
            return "-";
        }
        if (word instanceof java.sql.Date) {
            return word.toString();
        }
        if (word instanceof Date) {
            return new SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS").format((Date) word);
        }
        if (word instanceof DSpaceObject) {
            return name((DSpaceObject) word);
        }
        return word.toString().replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r");
    }

    /** People by address, groups by name, what else has a UUID by that. */
    private static String name(DSpaceObject object) {
        if (object instanceof Group) {
            return "group:" + object.getName();
        }
        if (object instanceof EPerson) {
            return "person:" + ((EPerson) object).getEmail();
        }
        return object instanceof Site ? "site" : object.getID().toString();
    }

    private static String field(MetadataField field) {
        return field.toString('.');
    }

    private static String quoted(Object text) {
        return text == null ? "null" : "\"" + text + "\"";
    }

    // what any object has

    private void common(DSpaceObject object) throws Exception {
        for (MetadataValue value : object.getMetadata()) {
            fact(object, "value", field(value.getMetadataField()), value.getPlace(), quoted(value.getLanguage()),
                 quoted(value.getAuthority()), value.getConfidence(), quoted(value.getValue()));
        }
        for (ResourcePolicy policy : authorize.getPolicies(context, object)) {
            fact(object, "policy", Constants.actionText[policy.getAction()], policy.getGroup(), policy.getEPerson(),
                 day(policy.getStartDate()), day(policy.getEndDate()), quoted(policy.getRpName()),
                 quoted(policy.getRpType()), quoted(policy.getRpDescription()));
        }
        int rank = 0;
        for (Handle handle : handlesOf(object)) {
            fact(object, "handle", rank++, handle.getHandle(), handle.getResourceTypeId());
            DSpaceObject resolved = handles.resolveToObject(context, handle.getHandle());
            if (resolved == null || !resolved.getID().equals(object.getID())) {
                throw new IllegalStateException(handle.getHandle() + " does not resolve to " + object.getID());
            }
        }
        if (rank > 0) {
            fact(object, "preferred", object.getHandle(), handles.findHandle(context, object));
        }
        DOI doi = dois.findDOIByDSpaceObject(context, object);
        // getName() of a person is the full name in some versions and the address in others: both stand elsewhere
        fact(object, "is", Constants.typeText[object.getType()],
             object instanceof EPerson ? null : quoted(object.getName()), doi == null ? null : doi.getDoi());
    }

    private List<Handle> handlesOf(DSpaceObject object) {
        return session.createQuery("from " + Handle.class.getName() + " h where h.dso = :it order by h.id",
                                   Handle.class).setParameter("it", object).list();
    }

    private static Object day(Date date) {
        return date == null ? null : new SimpleDateFormat("yyyy-MM-dd").format(date);
    }

    // one kind after the other

    private void registries() throws Exception {
        for (MetadataSchema schema : schemas.findAll(context)) {
            fact("schema", schema.getName(), schema.getNamespace());
        }
        for (MetadataField field : fields.findAll(context)) {
            fact("field", field(field), quoted(field.getScopeNote()));
        }
        for (BitstreamFormat format : formats.findAll(context)) {
            fact("format", quoted(format.getShortDescription()), format.getMIMEType(), format.getSupportLevel(),
                 format.isInternal(), new TreeSet<>(format.getExtensions()), quoted(format.getDescription()));
        }
        for (EntityType type : entityTypes.findAll(context)) {
            fact("entity-type", type.getLabel());
        }
        for (RelationshipType type : relationshipTypes.findAll(context)) {
            fact("relationship-type", label(type), type.getLeftMinCardinality(), type.getLeftMaxCardinality(),
                 type.getRightMinCardinality(), type.getRightMaxCardinality(), type.isCopyToLeft(),
                 type.isCopyToRight(), type.getTilted());
        }
    }

    private static String label(RelationshipType type) {
        return type.getLeftType().getLabel() + " " + type.getLeftwardType() + " " + type.getRightwardType() + " "
            + type.getRightType().getLabel();
    }

    private void everybody(boolean passwords) throws Exception {
        for (EPerson person : people.findAll(context, EPerson.EMAIL)) {
            fact(person, "person", person.getID(), person.getNetid(), person.canLogIn(),
                 person.getRequireCertificate(), person.getSelfRegistered(), quoted(person.getFullName()));
            if (passwords) {
                PasswordHash hash = people.getPasswordHash(person);
                fact(person, "password", hash == null ? null : hash.getHashString(),
                     hash == null ? null : hash.getSaltString(), hash == null ? null : hash.getAlgorithm());
                logins(person);
            }
            for (Group group : groups.allMemberGroups(context, person)) {
                fact(person, "belongs-to", group);
            }
            common(person);
        }
        for (Group group : groups.findAll(context, (List<MetadataField>) null)) {
            fact(group, "group", OWN_GROUPS.contains(group.getName()) ? "own" : group.getID(), group.isPermanent());
            for (EPerson person : group.getMembers()) {
                fact(group, "member", person);
            }
            for (Group child : group.getMemberGroups()) {
                fact(group, "child", child);
            }
            for (EPerson person : groups.allMembers(context, group)) {
                fact(group, "member-at-last", person);
            }
            common(group);
        }
    }

    /** Which passwords that the rig gives let the person in, by DSpace's own stack of authentication. */
    private void logins(EPerson person) throws Exception {
        EPerson reader = context.getCurrentUser();
        for (String password : PASSWORDS) {
            int status = LOGIN.authenticate(context, person.getEmail(), password, null, null);
            fact(person, "login", password, status == AuthenticationMethod.SUCCESS);
        }
        context.setCurrentUser(reader);
    }

    private void site() throws Exception {
        Site site = sites.findSite(context);
        fact(site, "site", site.getHandle());
        common(site);
    }

    private void community(Community community) throws Exception {
        fact(community, "community", community.getAdministrators(), community.getLogo());
        for (Community parent : community.getParentCommunities()) {
            fact(community, "in", parent);
        }
        for (Community child : community.getSubcommunities()) {
            fact(community, "holds", child);
        }
        for (Collection child : community.getCollections()) {
            fact(community, "holds", child);
        }
        logo(community.getLogo());
        common(community);
    }

    private void collection(Collection collection) throws Exception {
        fact(collection, "collection", collection.getAdministrators(), collection.getSubmitters(),
             collection.getTemplateItem(), collection.getLogo(), items.countAllItems(context, collection));
        for (Community parent : collection.getCommunities()) {
            fact(collection, "in", parent);
        }
        for (CollectionRole role : roles.findByCollection(context, collection)) {
            fact(collection, "role", role.getRoleId(), role.getGroup());
        }
        HarvestedCollection harvest = harvests.find(context, collection);
        if (harvest != null) {
            fact(collection, "harvest", harvest.getHarvestType(), harvest.getOaiSource(), harvest.getOaiSetId(),
                 harvest.getHarvestMetadataConfig(), harvest.getHarvestDate());
        }
        logo(collection.getLogo());
        common(collection);
    }

    private void logo(Bitstream logo) throws Exception {
        if (logo != null) {
            bitstream(logo);
        }
    }

    private void item(Item item, String kind) throws Exception {
        fact(item, kind, item.isArchived(), item.isWithdrawn(), item.isDiscoverable(), item.getLastModified(),
             item.getSubmitter(), item.getOwningCollection(), item.getTemplateItemOf());
        for (Collection collection : item.getCollections()) {
            fact(item, "in", collection);
        }
        fact(item, "entity", items.getEntityTypeLabel(item));
        for (MetadataValue value : items.getMetadata(item, Item.ANY, Item.ANY, Item.ANY, Item.ANY, true)) {
            if (value.getAuthority() != null && value.getAuthority().startsWith("virtual::")) {
                fact(item, "virtual", field(value.getMetadataField()), value.getPlace(), quoted(value.getValue()));
            }
        }
        for (Bundle bundle : item.getBundles()) {
            fact(item, "bundle", bundle, quoted(bundle.getName()), bundle.getPrimaryBitstream());
            common(bundle);
            int place = 0;
            for (Bitstream bitstream : bundle.getBitstreams()) {
                fact(bundle, "bitstream", place++, bitstream, quoted(bitstream.getName()));
                bitstream(bitstream);
            }
        }
        common(item);
    }

    private void bitstream(Bitstream bitstream) throws Exception {
        MessageDigest digest = MessageDigest.getInstance(bitstream.getChecksumAlgorithm());
        long size = 0;
        try (InputStream in = bitstreams.retrieve(context, bitstream)) {
            byte[] buffer = new byte[65536];
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                digest.update(buffer, 0, count);
                size += count;
            }
        }
        StringBuilder hex = new StringBuilder();
        for (byte each : digest.digest()) {
            hex.append(String.format("%02x", each));
        }
        if (size != bitstream.getSizeBytes() || !hex.toString().equals(bitstream.getChecksum())) {
            throw new IllegalStateException("bitstream " + bitstream.getID() + " holds " + size + " bytes with "
                + hex + ", its row says " + bitstream.getSizeBytes() + " and " + bitstream.getChecksum());
        }
        BitstreamFormat format = bitstream.getFormat(context);
        fact(bitstream, "content", size, bitstream.getChecksumAlgorithm(), hex, bitstream.getSequenceID(),
             quoted(format == null ? null : format.getShortDescription()), bitstream.getStoreNumber(),
             bitstream.isDeleted());
        common(bitstream);
    }

    // what joins objects

    private void joined() throws Exception {
        for (Relationship each : relationships.findAll(context)) {
            fact(each.getLeftItem(), "related", label(each.getRelationshipType()), each.getRightItem(),
                 each.getLeftPlace(), each.getRightPlace(), quoted(each.getLeftwardValue()),
                 quoted(each.getRightwardValue()), each.getLatestVersionStatus());
        }
        for (Version version : all(Version.class)) {
            String history = "";
            for (Version other : versions.getVersionsByHistory(context, version.getVersionHistory())) {
                history += (history.isEmpty() ? "" : ",") + other.getVersionNumber() + ":"
                    + (other.getItem() == null ? "-" : other.getItem().getID());
            }
            fact("version", history, version.getVersionNumber(), version.getItem(), version.getVersionDate(),
                 version.getEPerson(), quoted(version.getSummary()));
            if (version.getItem() != null) {
                fact(version.getItem(), "latest", items.isLatestVersion(context, version.getItem()),
                     histories.hasVersionHistory(context, version.getItem()));
            }
        }
        for (Subscription each : all(Subscription.class)) {
            TreeSet<String> parameters = new TreeSet<>();
            for (SubscriptionParameter parameter : each.getSubscriptionParameterList()) {
                parameters.add(parameter.getName() + "=" + parameter.getValue());
            }
            fact(each.getEPerson(), "subscribed", each.getDSpaceObject(), each.getSubscriptionType(), parameters);
        }
    }

    private void identifiers() {
        for (Handle handle : all(Handle.class)) {
            if (handle.getDSpaceObject() == null) {
                fact("tombstone", handle.getHandle(), handle.getResourceTypeId());
            }
        }
        for (DOI doi : all(DOI.class)) {
            fact("doi", doi.getDoi(), doi.getStatus(), doi.getDSpaceObject(), doi.getResourceTypeId());
        }
    }
}
